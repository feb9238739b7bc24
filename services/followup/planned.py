"""Puts events on the log that a transaction has planned: they stand in a table from that transaction until they are there.

After a crash in between an event is put there twice, with the same id. `announcer` and `teller` say what is planned.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from libs.common.clock import Clock
from libs.common.errors import OutageError
from libs.common.log.port import NewRecord
from libs.common.log.publisher import Publisher
from libs.common.store import store_errors
from libs.common.store_engine import StoreEngine

_PAUSE_MS: Final = 500
_AT_ONCE: Final = 200


class PlannedEvents(ABC):
    """The events of one table that go to `stream`.

    `planned` selects what is not on the log yet, the id of its row first, at most as many as its one parameter says; `published` notes by
    that id that it is there.
    """

    stream: ClassVar[str]
    planned: ClassVar[str]
    published: ClassVar[str]

    def __init__(self, *, engine: StoreEngine, publisher: Publisher, clock: Clock) -> None:
        self._engine = engine
        self._publisher = publisher
        self._clock = clock
        self._woken = asyncio.Event()

    @abstractmethod
    def record_of(self, row: Sequence[Any]) -> NewRecord:
        """The event of a row of `planned`; its id is the same each time."""

    def wake(self) -> None:
        """Events may have been planned."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled, waiting outages out."""
        while True:
            self._woken.clear()
            try:
                while await self.turn():
                    pass
            except OutageError:
                # The publisher and the store say so on readiness themselves.
                await self._clock.sleep_ms(_PAUSE_MS)
                continue
            await self._woken.wait()

    async def turn(self) -> bool:
        """Publish what is planned; True when there was something."""
        with store_errors():
            async with self._engine.read_plain() as session:
                rows = await session.fetch(self.planned, _AT_ONCE)
        if not rows:
            return False
        records = [self.record_of(row) for row in rows]
        # At once, in this order: the log makes one group of what comes together.
        await asyncio.gather(*(self._publisher.append(self.stream, record.key, [record]) for record in records))
        with store_errors():
            async with self._engine.write_plain() as session:
                await session.execute_many(self.published, [(row[0],) for row in rows])
        return True
