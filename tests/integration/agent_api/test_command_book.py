"""Writing commands down: those that come at the same time share a transaction; each hears of its own row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from libs.common.errors import StoreUnavailableError
from libs.common.plain_sql import PlainSession
from libs.common.store import open_engine
from libs.common.store_engine import StoreEngine
from services.agent_api.command_book import CommandBook
from services.agent_api.credentials import migrate
from services.agent_api.store.rows import CommandRow


class CountingEngine:
    """Counts transactions; those named in `failing` fail."""

    def __init__(self, engine: StoreEngine) -> None:
        self._engine = engine
        self.transactions = 0
        self.failing: set[int] = set()

    @asynccontextmanager
    async def write_plain(self) -> AsyncIterator[PlainSession]:
        self.transactions += 1
        if self.transactions in self.failing:
            raise StoreUnavailableError("away")
        async with self._engine.write_plain() as session:
            yield session


def a_command(number: int) -> CommandRow:
    return CommandRow(command_id=f"cmd_{number}", principal="agent:anna", kind="add-note", asked_ms=number, digest="d")


@pytest.fixture
async def engine(store: str) -> AsyncIterator[Any]:
    """A database with the agent API's tables."""
    opened = open_engine(store)
    await migrate(opened)
    yield CountingEngine(opened)
    await opened.dispose()


async def test_commands_that_come_together_are_written_together(engine: CountingEngine) -> None:
    book = CommandBook(engine)  # type: ignore[arg-type]  # as much of an engine as it needs

    rows = await asyncio.gather(*(book.remember(a_command(number)) for number in range(50)))

    assert rows == [a_command(number) for number in range(50)]
    assert engine.transactions <= 2


async def test_a_second_try_gets_the_row_of_the_first(engine: CountingEngine) -> None:
    book = CommandBook(engine)  # type: ignore[arg-type]  # as above
    again = replace(a_command(1), digest="other", asked_ms=99)

    first, second = await asyncio.gather(book.remember(a_command(1)), book.remember(again))

    assert first == second == await book.remember(again) == a_command(1)


async def test_an_outage_is_told_to_those_it_concerns(engine: CountingEngine) -> None:
    book = CommandBook(engine)  # type: ignore[arg-type]  # as above
    engine.failing = {1}
    outcomes = await asyncio.gather(book.remember(a_command(1)), book.remember(a_command(2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailableError] * 2
    assert await book.remember(a_command(3)) == a_command(3)


async def test_who_goes_away_harms_nobody_else(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/agent-api.db")
    await migrate(engine)
    book = CommandBook(engine)
    impatient = asyncio.create_task(book.remember(a_command(1)))
    patient = asyncio.create_task(book.remember(a_command(2)))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == a_command(2)
    await engine.dispose()
