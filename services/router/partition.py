"""The worker of one partition: one tenure after another until it is stopped or deposed.

There is one path for start, fail-over and error: drop everything, become the new writer, recover from the log, go on. Made and ended by
the runner as partitions come and go.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Final, Protocol

from libs.common.errors import OutageError
from libs.common.lifecycle import RETRY_FIRST_MS, RETRY_LAST_MS
from libs.common.logging import get_logger
from services.router.tenure import Partition, Tenure, begin_tenure


class Phase(StrEnum):
    """Where a worker stands."""

    CLAIMED = "claimed"
    RECOVERING = "recovering"
    LIVE = "live"
    ENDED = "ended"


class PhaseListener(Protocol):
    """Who hears of a worker's phases, for health."""

    def __call__(self, partition: int, phase: Phase, detail: str) -> None:
        """The worker of this partition is in this phase now."""
        ...


class PartitionWorker:
    """See the module. `run` once; `stop` from anywhere in the event loop."""

    def __init__(self, partition: Partition, on_phase: PhaseListener) -> None:
        self._partition: Final = partition
        self._on_phase: Final = on_phase
        self._stop: Final = asyncio.Event()
        self.tenure: Tenure | None = None
        on_phase(partition.number, Phase.CLAIMED, "")

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Finish the batch in hand and end: `run` returns soon after."""
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop`. Raises DeposedError when a newer writer has taken over; anything else that it raises is a bug."""
        pause_ms = RETRY_FIRST_MS
        try:
            while not self._stop.is_set():
                self._on_phase(self._partition.number, Phase.RECOVERING, "")
                try:
                    await self._hold_tenure()
                except OutageError as outage:
                    if self.tenure is not None:
                        pause_ms = RETRY_FIRST_MS  # It was live until now.
                    self._drop(outage, pause_ms)
                    await self._pause(pause_ms)
                    pause_ms = min(pause_ms * 2, RETRY_LAST_MS)
        finally:
            self.tenure = None
            self._on_phase(self._partition.number, Phase.ENDED, "")

    async def _hold_tenure(self) -> None:
        self.tenure = None
        tenure = await begin_tenure(self._partition, self._stop)
        try:
            self.tenure = tenure
            self._on_phase(self._partition.number, Phase.LIVE, "")
            await tenure.serve()
        finally:
            await tenure.close()

    def _drop(self, outage: OutageError, pause_ms: int) -> None:
        """The state is not trusted any more; the log has all of it."""
        self.tenure = None
        self._on_phase(self._partition.number, Phase.RECOVERING, str(outage))
        get_logger("router").warning(
            "state dropped", partition=self._partition.number, outage=str(outage), again_in_ms=pause_ms
        )

    async def _pause(self, pause_ms: int) -> None:
        """Wait before the next attempt, no longer than until `stop`."""
        stopped = asyncio.create_task(self._stop.wait(), name="pause stop")
        alarm = asyncio.create_task(self._sleep(pause_ms), name="pause alarm")
        try:
            await asyncio.wait((stopped, alarm), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            alarm.cancel()

    async def _sleep(self, pause_ms: int) -> None:
        await self._partition.clock.sleep_ms(pause_ms)
