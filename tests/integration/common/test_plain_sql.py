"""Plain sessions on both databases: the same text, the same rows, whole transactions or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from libs.common.errors import StoreUnavailableError
from libs.common.plain_sql import LIST_MAX, PlainSession
from libs.common.store import open_engine, run_migrations, store_errors
from libs.common.store_engine import StoreEngine
from tests.parts.postgres import PostgresServer
from tests.support.waiting import eventually

MIGRATIONS = Path(__file__).parent / "migrations"
_ADD = "INSERT INTO cards (id, name) VALUES (?, ?)"
_numbers = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreEngine]:
    """An empty database with the table of cards."""
    url = f"sqlite:///{tmp_path}/cards.db"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database(f"plain_{next(_numbers)}")
    await run_migrations(url, MIGRATIONS, "cards_version")
    engine = open_engine(url)
    yield engine
    await engine.dispose()


async def cards_of(engine: StoreEngine) -> list[tuple[str, str]]:
    async with engine.read_plain() as session:
        return [(card, name) for card, name in await session.fetch("SELECT id, name FROM cards ORDER BY id")]


async def test_what_is_written_is_read(engine: StoreEngine) -> None:
    # given
    async with engine.write_plain() as session:
        await session.execute(_ADD, "cus_1", "Anna")
        await session.execute_many(_ADD, [("cus_2", "Luca"), ("cus_3", "Pia")])
        await session.execute_many(_ADD, [])

        # then the transaction sees what it wrote itself
        assert len(await session.fetch("SELECT id FROM cards FOR UPDATE")) == 3

    # and so does everybody when it is over
    assert await cards_of(engine) == [("cus_1", "Anna"), ("cus_2", "Luca"), ("cus_3", "Pia")]


@pytest.mark.parametrize("number", [1, 3, 100, LIST_MAX])
async def test_many_are_asked_for_at_once(engine: StoreEngine, number: int) -> None:
    keys = [f"cus_{index:04d}" for index in range(number)]
    async with engine.write_plain() as session:
        await session.execute_many(_ADD, [(key, "Anna") for key in keys])
        found = await session.fetch_in("SELECT id FROM cards WHERE name = 'Anna' AND id IN ?", keys)
    assert sorted(card for (card,) in found) == keys


async def fail(engine: StoreEngine) -> None:
    async with engine.write_plain() as session:
        await session.execute(_ADD, "cus_1", "Anna")
        raise KeyError("a bug")


async def ask_nonsense(engine: StoreEngine) -> None:
    async with engine.write_plain() as session:
        await session.execute(_ADD, "cus_1", "Anna")
        await session.execute("INSERT INTO no_table (id) VALUES (?)", "cus_1")


async def test_a_transaction_that_fails_or_is_cancelled_leaves_nothing_and_no_lock(engine: StoreEngine) -> None:
    # given one that fails by itself, one whose statement fails, and one that is cancelled
    with pytest.raises(KeyError):
        await fail(engine)
    with pytest.raises(Exception, match="no_table"):
        await ask_nonsense(engine)
    written = asyncio.Event()

    async def write_and_wait() -> None:
        async with engine.write_plain() as session:
            await session.execute(_ADD, "cus_1", "Anna")
            written.set()
            await asyncio.Future()

    task = asyncio.create_task(write_and_wait())
    await written.wait()
    task.cancel()
    await asyncio.wait([task])

    # when / then
    async with engine.write_plain() as session:
        await session.execute(_ADD, "cus_2", "Luca")
    assert await cards_of(engine) == [("cus_2", "Luca")]


async def test_writers_take_turns(engine: StoreEngine) -> None:
    async def add(number: int) -> None:
        async with engine.write_plain() as session:
            # Waits for whoever has it, in either database.
            await session.execute(_ADD, f"cus_{number}", "Anna")

    await asyncio.gather(*(add(number) for number in range(20)))
    assert len(await cards_of(engine)) == 20


async def test_a_database_that_cannot_be_had_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    engine = open_engine(f"sqlite:///{tmp_path}/file/cards.db")
    with pytest.raises(StoreUnavailableError), store_errors():
        await cards_of(engine)
    await engine.dispose()


@pytest.mark.parametrize("when", ["before a statement", "before the end", "inside a statement"])
async def test_a_connection_that_is_lost_in_a_transaction_is_an_outage(
    postgres_server: PostgresServer, when: str
) -> None:
    # given a transaction on PostgreSQL
    url = postgres_server.create_database(f"plain_{next(_numbers)}")
    await run_migrations(url, MIGRATIONS, "cards_version")
    engine = open_engine(url)

    async def end_connection(pid: int) -> None:
        async with engine.read_plain() as other:
            await other.fetch("SELECT pg_terminate_backend(?)", pid)
            await eventually(lambda: _is_gone(other, pid))

    async def write() -> None:
        async with engine.write_plain() as session:
            [[pid]] = await session.fetch("SELECT pg_backend_pid()")
            await session.execute(_ADD, "cus_1", "Anna")
            if when == "inside a statement":
                ending = asyncio.create_task(end_connection(pid))
                try:
                    await session.fetch("SELECT pg_sleep(60)")
                finally:
                    await ending
            await end_connection(pid)
            if when == "before a statement":
                await session.execute(_ADD, "cus_2", "Luca")

    # when the server ends its connection
    with pytest.raises(StoreUnavailableError), store_errors():
        await write()

    # then nothing was written, and the next one gets another connection
    assert await cards_of(engine) == []
    await engine.dispose()


async def _is_gone(session: PlainSession, pid: int) -> bool:
    return not await session.fetch("SELECT 1 FROM pg_stat_activity WHERE pid = ?", pid)
