"""The worker of an outbox when the store fails in the middle of its round."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from libs.common.clock import SystemClock
from libs.common.errors import OutageError, StoreUnavailableError
from libs.common.http.health import Health
from libs.common.outbox import Ending, NewItem, Outbox, OutboxItem, Outcome, UnknownOutcome, outbox_table
from libs.common.outbox_runner import BeginDelivery, OutboxRunner, Result, Sent
from libs.common.store import open_engine
from libs.common.store_engine import StoreEngine
from tests.support.waiting import eventually

METADATA = sa.MetaData()
TABLE = outbox_table(METADATA, "test_outbox")


class FailingOutbox(Outbox):
    """Cannot write down what became of one row; with others it fails for all of them, as a database does."""

    def __init__(self, engine: StoreEngine, effect_id: str, error: Exception) -> None:
        super().__init__(engine, TABLE, holder="test", unknown=UnknownOutcome.GIVE_UP)
        self.failed = asyncio.Event()
        self._effect_id = effect_id
        self._error = error

    async def finish_all(self, endings: Sequence[Ending], *, now_ms: int) -> None:
        if any(ending.item.effect_id == self._effect_id for ending in endings):
            if len(endings) == 1:
                self.failed.set()
            raise self._error
        await super().finish_all(endings, now_ms=now_ms)


class CountingOutbox(Outbox):
    """Counts the transactions that rows under way ask for."""

    transactions = 0

    async def begin_deliveries(self, items: Sequence[OutboxItem], *, now_ms: int) -> set[str]:
        self.transactions += 1
        return await super().begin_deliveries(items, now_ms=now_ms)

    async def finish_all(self, endings: Sequence[Ending], *, now_ms: int) -> None:
        self.transactions += 1
        await super().finish_all(endings, now_ms=now_ms)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[StoreEngine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'outbox.db'}")
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    yield engine
    await engine.dispose()


@pytest.mark.parametrize("error", [StoreUnavailableError(), ZeroDivisionError()], ids=["outage", "bug"])
async def test_a_row_that_cannot_be_written_down_does_not_cut_the_others_off(engine, error) -> None:
    """given two rows / when the first one's outcome cannot be kept while the second is being delivered / then the second is finished."""
    outbox = FailingOutbox(engine, "first", error)
    async with engine.begin() as connection:
        for effect_id in ("first", "second"):
            await outbox.add(connection, effect_id=effect_id, payload=b"", correlation_id="", due_ms=0, now_ms=0)

    async def send(item: OutboxItem, begin_delivery: BeginDelivery) -> Result:
        assert await begin_delivery()
        if item.effect_id == "second" and isinstance(error, OutageError):
            await outbox.failed.wait()
        return Sent()

    async def report(_outcomes: object) -> None:
        return

    async def states() -> dict[str, str]:
        async with engine.connect() as connection:
            rows = await connection.execute(sa.select(TABLE.c.effect_id, TABLE.c.state))
            return {row.effect_id: row.state for row in rows}

    async def settled() -> bool:
        return await states() == {"first": "delivering", "second": "sent"}

    runner = OutboxRunner(outbox, name="outbox", send=send, report=report, clock=SystemClock(), health=Health())
    running = asyncio.create_task(runner.run())
    await eventually(settled)
    if isinstance(error, OutageError):
        running.cancel()
        await asyncio.wait([running])
    else:
        with pytest.raises(ExceptionGroup) as raised:
            await running
        assert raised.group_contains(type(error))


async def test_rows_under_way_at_once_are_written_down_together(engine: StoreEngine) -> None:
    """given many rows / when they are sent at once / then few transactions note it, and each outcome is told once."""
    outbox = CountingOutbox(engine, TABLE, holder="test", unknown=UnknownOutcome.GIVE_UP)
    items = [NewItem(effect_id=f"eff_{n}", payload=b"", correlation_id="", due_ms=0, now_ms=0) for n in range(20)]
    async with engine.begin() as connection:
        await outbox.add_all(connection, items)
    told: list[str] = []

    async def send(_item: OutboxItem, begin_delivery: BeginDelivery) -> Result:
        assert await begin_delivery()
        return Sent()

    async def report(outcomes: Sequence[Outcome]) -> None:
        told.extend(outcome.effect_id for outcome in outcomes)

    runner = OutboxRunner(outbox, name="outbox", send=send, report=report, clock=SystemClock(), health=Health())
    running = asyncio.create_task(runner.run())
    await eventually(lambda: len(told) == len(items))
    running.cancel()
    await asyncio.wait([running])
    assert sorted(told) == sorted(item.effect_id for item in items)
    assert outbox.transactions < len(items) / 2


async def test_a_row_that_takes_its_time_holds_no_other_up(engine: StoreEngine) -> None:
    """given room for two rows / when one of them is not answered / then all the others are sent meanwhile."""
    outbox = Outbox(engine, TABLE, holder="test", unknown=UnknownOutcome.GIVE_UP)
    items = [NewItem(effect_id=f"eff_{n}", payload=b"", correlation_id="", due_ms=n, now_ms=0) for n in range(8)]
    async with engine.begin() as connection:
        await outbox.add_all(connection, items)
    sent: list[str] = []

    async def send(item: OutboxItem, begin_delivery: BeginDelivery) -> Result:
        assert await begin_delivery()
        if item.effect_id == "eff_0":
            await asyncio.Future()
        sent.append(item.effect_id)
        return Sent()

    async def report(_outcomes: object) -> None:
        return

    runner = OutboxRunner(
        outbox, name="outbox", send=send, report=report, clock=SystemClock(), health=Health(), at_once=2
    )
    running = asyncio.create_task(runner.run())
    await eventually(lambda: len(sent) == len(items) - 1)
    running.cancel()
    await asyncio.wait([running])
