"""Waking whoever waits inside one process, without polling: readers for records, members of groups for locks.

Belongs to one event loop. Used by the memory and the SQLite log.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

from libs.common.clock import Clock

Place = tuple[str, int]  # A stream and one of its partitions.


class Wakeup:
    """Waiters by place. Whoever looks and then waits without an await between the two misses nothing."""

    def __init__(self) -> None:
        # Dictionaries as ordered sets: who is woken first must not depend on memory addresses.
        self._waiting: dict[Place, dict[asyncio.Future[None], None]] = {}

    @property
    def awaited(self) -> bool:
        """Whether anybody waits for anything."""
        return bool(self._waiting)

    def wake(self, place: Place) -> None:
        """Something was appended here."""
        for waiter in self._waiting.pop(place, ()):
            _finish(waiter)

    def wake_all(self) -> None:
        """Everybody is to look again."""
        for place in tuple(self._waiting):
            self.wake(place)

    async def wait(self, places: Iterable[Place], clock: Clock, wait_ms: int) -> None:
        """Return when one of the places was woken, or the clock has moved on by `wait_ms`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watched = tuple(places)
        for place in watched:
            self._waiting.setdefault(place, {})[waiter] = None
        alarm = asyncio.ensure_future(clock.sleep_ms(wait_ms))
        alarm.add_done_callback(lambda _: _finish(waiter))
        try:
            await waiter
        finally:
            alarm.cancel()
            for place in watched:
                waiters = self._waiting.get(place)
                if waiters is not None:
                    waiters.pop(waiter, None)
                    if not waiters:
                        del self._waiting[place]


class LockTable:
    """The locks of one group in this process: who holds which, and who wants to hear of changes."""

    def __init__(self) -> None:
        self.holders: dict[str, object] = {}
        self.version = 0
        self._waiting: dict[asyncio.Future[None], None] = {}

    def tell(self) -> None:
        """Something was taken or freed."""
        self.version += 1
        for waiter in self._waiting:
            _finish(waiter)
        self._waiting.clear()

    async def changed_since(self, version: int, timeout_s: float | None = None) -> None:
        """Return when `tell` was called after the table had this version, or after `timeout_s`."""
        if self.version != version:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await waiter
        finally:
            self._waiting.pop(waiter, None)


class TableLocks:
    """One member's hold on the locks of a table that lives in this process alone."""

    def __init__(self, table: LockTable) -> None:
        self._table: Final = table
        self._seen = table.version

    def take(self, name: str) -> bool:
        """Take the lock if nobody has it."""
        return self._table.holders.setdefault(name, self) is self

    def give_back(self, name: str) -> None:
        """Free it."""
        holder = self._table.holders.pop(name)
        assert holder is self, f"{name} belongs to somebody else"

    def taken_elsewhere(self, name: str) -> bool:
        """Whether another member has it."""
        return self._table.holders.get(name, self) is not self

    async def changed(self) -> None:
        """Return when the table has changed since the last time."""
        await self._table.changed_since(self._seen)
        self._seen = self._table.version

    def tell(self) -> None:
        """Wake the other members."""
        self._table.tell()


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
