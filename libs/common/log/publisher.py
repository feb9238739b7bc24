"""Appending for many concurrent callers: HTTP handlers, senders, outboxes.

Holds one writer, opens another in the background after a failure, and bounds what is under way: a caller hears at once that the
log is away or overloaded, and its own client tries again. It must not retry an append by itself, because after a failure nobody
knows whether it happened; every event that goes through here has an id that makes a repetition harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from libs.common.clock import Clock, SystemClock
from libs.common.errors import LogClosedError, LogUnavailableError, OutageError
from libs.common.log.batch import check_batch
from libs.common.log.port import Appended, EventLog, NewRecord, Writer
from libs.common.log.streams import partition_of

IN_FLIGHT_MAX: Final = 4_096
IN_FLIGHT_BYTES_MAX: Final = 64 * 1024 * 1024

# Shorter than the time that a provider waits for the answer to its webhook.
STALL_S: Final = 6.0

_BACKOFF_MS: Final = (100, 200, 400, 800, 1_600, 2_000)

OnReady = Callable[[bool, str], None]


class Publisher:
    """See the module. Nothing is opened before `start`.

    `on_ready(ready, why_not)` is called whenever readiness changes, for a service's health report. When appends are under way and none
    has ended for `stall_s`, the writer counts as lost, so that new callers are refused at once.
    """

    def __init__(
        self,
        log: EventLog,
        name: str,
        *,
        clock: Clock | None = None,
        on_ready: OnReady | None = None,
        in_flight_max: int = IN_FLIGHT_MAX,
        in_flight_bytes_max: int = IN_FLIGHT_BYTES_MAX,
        stall_s: float = STALL_S,
    ) -> None:
        self._log: Final = log
        self._name: Final = name
        self._clock: Final = clock or SystemClock()
        self._on_ready: Final = on_ready
        self._in_flight_max: Final = in_flight_max
        self._in_flight_bytes_max: Final = in_flight_bytes_max
        self._stall_s: Final = stall_s
        self._in_flight = 0
        self._in_flight_bytes = 0
        self._moved_s = 0.0  # When an append ended last, while some are under way.
        self._watching = False
        self._writer: Writer | None = None
        self._broken: Writer | None = None  # Lost, and still to be closed.
        self._reason = "not started"
        self._lost = asyncio.Event()
        self._became_ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether an append would be tried now."""
        return self._writer is not None

    @property
    def in_flight(self) -> int:
        """Appends under way."""
        return self._in_flight

    async def start(self) -> None:
        """Begin to open a writer in the background. Returns at once; `wait_ready` waits for it."""
        if self._task is None:
            self._lost.set()
            self._task = asyncio.create_task(self._keep_open(), name=f"publisher {self._name}")

    async def wait_ready(self) -> None:
        """Return when a writer is open. Raises what ended the background work, if something did."""
        assert self._task is not None, "start it first"
        waiting = asyncio.ensure_future(self._became_ready.wait())
        try:
            await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if not self._became_ready.is_set():
                self._check_task()
                raise LogClosedError
        finally:
            waiting.cancel()

    async def append(
        self, stream: str, key: str, records: NewRecord | Sequence[NewRecord], partition: int | None = None
    ) -> Appended:
        """Append one batch to the partition of `key`, or to `partition`; durable when this returns.

        Raises LogUnavailableError at once while the log is away or too many appends are under way, or later when the
        outcome is unknown; BatchTooLargeError before anything is written. A caller that is cancelled does not stop the append.
        """
        batch = (records,) if isinstance(records, NewRecord) else tuple(records)
        size = check_batch(batch)
        if partition is None:
            partition = partition_of(key, self._log.partitions(stream))
        writer = self._writer
        if writer is None:
            self._check_task()
            raise LogUnavailableError(f"the event log is not available: {self._reason}")
        if self._in_flight >= self._in_flight_max or self._in_flight_bytes + size > self._in_flight_bytes_max:
            raise LogUnavailableError(f"{self._in_flight} appends are under way; try again later")
        loop = asyncio.get_running_loop()
        if not self._in_flight:
            self._moved_s = loop.time()
        if not self._watching:
            self._watching = True
            loop.call_later(self._stall_s / 4, self._watch, loop)
        self._in_flight += 1
        self._in_flight_bytes += size
        try:
            return await writer.append(stream, partition, batch)
        except (LogUnavailableError, LogClosedError) as error:
            self._lose(writer, str(error))
            raise LogUnavailableError(str(error)) from error
        finally:
            self._in_flight -= 1
            self._in_flight_bytes -= size
            self._moved_s = loop.time()

    async def close(self) -> None:
        """Close the writer; appends under way end with their outcome or with LogUnavailableError."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, LogClosedError):
                await self._task
        writer = self._writer
        self._set(None, "closed")
        if writer is not None:
            await writer.close()

    def _check_task(self) -> None:
        """Raise what ended the background work unless it was the end of the log itself: a bug must not look like an outage."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            error = self._task.exception()
            if error is not None and not isinstance(error, LogClosedError):
                raise error

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """When nothing has ended for a while, whoever calls now is told at once instead of waiting in the same queue."""
        self._watching = self._in_flight > 0
        if not self._watching:
            return
        loop.call_later(self._stall_s / 4, self._watch, loop)
        if self._writer is not None and loop.time() - self._moved_s > self._stall_s:
            self._lose(self._writer, f"no append has ended for {self._stall_s} s")

    def _lose(self, writer: Writer, reason: str) -> None:
        # Many callers fail with the same writer; only the first finds it still in use.
        if self._writer is writer:
            self._set(None, reason)
            self._broken = writer
            self._lost.set()

    async def _keep_open(self) -> None:
        failures = 0
        while True:
            await self._lost.wait()
            broken, self._broken = self._broken, None
            if broken is not None:
                await broken.close()
            try:
                writer = await self._log.open_writer(self._name)
            except OutageError as error:
                self._set(None, str(error))
                await self._clock.sleep_ms(_BACKOFF_MS[min(failures, len(_BACKOFF_MS) - 1)])
                failures += 1
                continue
            failures = 0
            self._lost.clear()
            self._set(writer, "")

    def _set(self, writer: Writer | None, reason: str) -> None:
        changed = (writer is None) != (self._writer is None) or reason != self._reason
        self._writer, self._reason = writer, reason
        if writer is None:
            self._became_ready.clear()
        else:
            self._became_ready.set()
        if changed and self._on_ready is not None:
            self._on_ready(writer is not None, reason)
