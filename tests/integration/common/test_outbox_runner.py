"""The worker of an outbox when the store fails in the middle of its round."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import SystemClock
from libs.common.errors import StoreUnavailableError
from libs.common.http.health import Health
from libs.common.outbox import Outbox, OutboxItem, OutboxState, UnknownOutcome, outbox_table
from libs.common.outbox_runner import BeginDelivery, OutboxRunner, Result, Sent
from libs.common.store import open_engine

METADATA = sa.MetaData()
TABLE = outbox_table(METADATA, "test_outbox")


class FailingOutbox(Outbox):
    """Cannot write down what became of one row, once."""

    def __init__(self, engine: AsyncEngine, effect_id: str, error: Exception) -> None:
        super().__init__(engine, TABLE, holder="test", unknown=UnknownOutcome.GIVE_UP)
        self.failed = asyncio.Event()
        self._effect_id = effect_id
        self._error = error

    async def finish(self, item: OutboxItem, state: OutboxState, detail: str, *, now_ms: int) -> bool:
        if item.effect_id == self._effect_id and not self.failed.is_set():
            self.failed.set()
            raise self._error
        return await super().finish(item, state, detail, now_ms=now_ms)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
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
        if item.effect_id == "second":
            await outbox.failed.wait()
            await asyncio.to_thread(lambda: None)  # Some more turns of the loop, in which it could be cancelled.
        return Sent()

    async def report(_outcomes: object) -> None:
        return

    runner = OutboxRunner(outbox, name="outbox", send=send, report=report, clock=SystemClock(), health=Health())
    with pytest.raises(type(error)):
        await runner.turn()
    async with engine.connect() as connection:
        rows = await connection.execute(sa.select(TABLE.c.effect_id, TABLE.c.state))
        states = {row.effect_id: row.state for row in rows}
    assert states == {"first": "delivering", "second": "sent"}
