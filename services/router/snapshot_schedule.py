"""When a partition's next snapshot is due, the one being written, and what the log may let go of afterwards.

Called by a tenure's loop, which never waits for it. A snapshot that cannot be written costs nothing but recovery time: it is tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from libs.common.errors import OutageError
from libs.common.log.port import EventLog
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS, ROUTING_SNAPSHOTS
from libs.common.logging import get_logger
from services.router.generations import Generations
from services.router.settings import RouterSettings
from services.router.snapshot import (
    FrozenState,
    Manifest,
    StoredSnapshots,
    WrittenSnapshot,
    read_snapshots,
    write_snapshot,
)

# Two snapshots are at least this far apart, however much happens and whatever goes wrong.
_RETRY_MS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotReport:
    """How a snapshot went, for the metrics. `pause_max_s`: for how long the worker stood still for it at most at one time."""

    seconds: float
    pause_max_s: float
    size_bytes: int


class SnapshotSchedule:
    """The snapshots of one tenure. `folded`: records on the log since the newest stored one."""

    def __init__(
        self,
        log: EventLog,
        settings: RouterSettings,
        *,
        partition: int,
        stored: StoredSnapshots,
        folded: int,
        now_ms: int,
        on_written: Callable[[SnapshotReport], None],
    ) -> None:
        self._log: Final = log
        self._settings: Final = settings
        self._partition: Final = partition
        self._on_written: Final = on_written
        self._generations: Final = Generations(stored)
        self._end_offset = stored.end_offset
        self._records = folded
        self._last_ms = stored.snapshots[0].manifest.taken_ms if stored.snapshots else now_ms
        self._not_before_ms = 0
        self._taken_records = 0
        self._writing: asyncio.Task[None] | None = None

    def count(self, records: int) -> None:
        """So many inputs and facts have come since the last call."""
        self._records += records

    def due(self, now_ms: int) -> bool:
        """Whether a snapshot is to be taken now: enough has happened since the last one, or something has and it is long ago."""
        if self._writing is not None or self._records == 0 or now_ms < self._not_before_ms:
            return False
        return (
            self._records >= self._settings.router_snapshot_records
            or now_ms - self._last_ms >= self._settings.router_snapshot_interval_ms
        )

    def begin(self, frozen: FrozenState, pause_s: float, now_ms: int) -> None:
        """Begin to write the state beside the loop, as it is now. `pause_s`: for how long its freezing held the worker up at one time."""
        self._taken_records, self._records = self._records, 0
        self._last_ms = now_ms
        self._not_before_ms = now_ms + _RETRY_MS
        self._writing = asyncio.create_task(self._write(frozen, pause_s), name=f"snapshot {self._partition}")

    def tend(self) -> None:
        """Look after the one being written. Raises what went wrong with it, an outage apart."""
        if self._writing is None or not self._writing.done():
            return
        writing, self._writing = self._writing, None
        try:
            writing.result()
        except OutageError as outage:
            self._records += self._taken_records
            get_logger("router").warning("snapshot not written", partition=self._partition, outage=str(outage))

    async def finish(self) -> None:
        """Wait until the one being written is complete, if there is one."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            self.tend()

    async def close(self) -> None:
        """Give up the one being written; its generation stays incomplete."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
            if not self._writing.cancelled():
                self._writing.exception()

    async def _write(self, frozen: FrozenState, freeze_s: float) -> None:
        started_s = time.perf_counter()
        await self._look_for_others()
        generation = self._generations.next()
        try:
            written = await write_snapshot(
                self._log,
                frozen,
                partition=self._partition,
                generation=generation,
                expected_offset=self._end_offset,
                chunk_bytes=self._settings.router_snapshot_chunk_bytes,
            )
        except BaseException:
            self._generations.failed(generation)
            raise
        self._generations.completed(written.manifest)
        self._end_offset = written.end_offset
        self._on_written(
            SnapshotReport(
                seconds=time.perf_counter() - started_s,
                pause_max_s=max(freeze_s, written.pause_max_s),
                size_bytes=written.manifest.size_bytes,
            )
        )
        self._tell(written)
        kept = self._generations.kept
        if len(kept) > 1:
            await self._trim(kept[-1])

    async def _look_for_others(self) -> None:
        """See which generation may be overwritten, where anybody but us has written one since we looked, or something came late.

        It may have spoilt the generation that we took for complete; to overwrite the other would leave none.
        """
        if await self._log.end_offset(ROUTING_SNAPSHOTS, self._partition) != self._end_offset:
            stored = await read_snapshots(self._log, self._partition)
            self._generations.read(stored)
            self._end_offset = stored.end_offset

    async def _trim(self, older: Manifest) -> None:
        """Let go of what both complete snapshots hold: should the newer one be spoilt, the older still has its facts."""
        await self._log.trim(ROUTING_INPUTS, self._partition, older.next_input)
        await self._log.trim(ROUTING_EVENTS, self._partition, older.next_output)

    def _tell(self, written: WrittenSnapshot) -> None:
        get_logger("router").info(
            "snapshot written",
            partition=self._partition,
            generation=written.manifest.generation,
            next_output=written.manifest.next_output,
            size_bytes=written.manifest.size_bytes,
            pause_max_ms=round(written.pause_max_s * 1000, 3),
        )
