"""Where the time comes from. Nothing that decides reads a clock: it is handed the time.

The shells (workers, senders, HTTP routes) hold a `Clock`; tests and the simulation hand them a `VirtualClock`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """The time, and a way to wait for it."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z."""
        ...

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms`; at once when it is zero or negative."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1_000_000

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms`."""
        await asyncio.sleep(max(0, duration_ms) / 1000)


class VirtualClock:
    """A clock that stands still until it is told to move; sleepers wake in the order of their deadlines."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._counter = itertools.count()

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z, as last set."""
        return self._now_ms

    def advance_ms(self, duration_ms: int) -> None:
        """Move the time forward and wake whoever slept until then."""
        assert duration_ms >= 0, "time does not go back"
        self._now_ms += duration_ms
        while self._sleepers and self._sleepers[0][0] <= self._now_ms:
            _, _, waiter = heapq.heappop(self._sleepers)
            if not waiter.done():
                waiter.set_result(None)

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return once the clock was advanced by `duration_ms`."""
        if duration_ms <= 0:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_ms + duration_ms, next(self._counter), waiter))
        await waiter


def rfc3339(time_ms: int) -> str:
    """`2026-11-21T09:30:00.125Z` for a time in milliseconds; what the API and the event headers show."""
    seconds, ms = divmod(time_ms, 1000)
    parts = time.gmtime(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', parts)}.{ms:03d}Z"
