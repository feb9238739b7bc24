"""Waiting for whatever comes first: inputs, a deadline, or the wish to stop.

A poll of the log that is under way is never cancelled while the worker lives: it is kept and asked again, so that no record can fall
between two polls. Called by a tenure's loop. It must not look into what it hands over.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from libs.common.clock import Clock
from libs.common.log.port import Reader, Record

# So long a poll may last, after which the loop looks around once: whether a snapshot is due, for instance.
_LOOK_AROUND_MS: Final = 60_000


class Arrivals:
    """The inputs of one partition as they come. `stop`: set when the worker is to end."""

    def __init__(self, reader: Reader, clock: Clock, *, records_max: int, stop: asyncio.Event) -> None:
        self._reader: Final = reader
        self._clock: Final = clock
        self._records_max: Final = records_max
        self._stopped: Final = asyncio.create_task(stop.wait(), name="arrivals stop")
        self._poll: asyncio.Task[list[Record]] | None = None

    async def take(self, wait_ms: int | None, *, until: asyncio.Task[Any] | None = None) -> list[Record]:
        """The next inputs; empty when `wait_ms` has passed before any came (None: no deadline), when `until` is done, when it is time to
        stop, and now and then for no reason. Raises what the reader raises.
        """
        if self._poll is None:
            records = await self._reader.poll(max_records=self._records_max)
            if records:
                return records
            self._poll = asyncio.create_task(self._wait_for_records(), name="arrivals poll")
        waited_for: list[asyncio.Task[Any]] = [self._poll, self._stopped]
        if until is not None:
            waited_for.append(until)
        alarm = None if wait_ms is None else asyncio.create_task(self._sleep(wait_ms), name="arrivals alarm")
        if alarm is not None:
            waited_for.append(alarm)
        try:
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if alarm is not None:
                alarm.cancel()
        if not self._poll.done():
            return []
        poll, self._poll = self._poll, None
        return poll.result()

    async def close(self) -> None:
        """Stop waiting, and close the reader."""
        self._stopped.cancel()
        await self._reader.close()
        if self._poll is not None:
            self._poll.cancel()
            await asyncio.wait([self._poll])
            if not self._poll.cancelled():
                # What the last poll would have brought, or how it failed, no longer matters: the log has it all.
                self._poll.exception()

    async def _wait_for_records(self) -> list[Record]:
        return await self._reader.poll(max_records=self._records_max, wait_ms=_LOOK_AROUND_MS)

    async def _sleep(self, wait_ms: int) -> None:
        await self._clock.sleep_ms(wait_ms)
