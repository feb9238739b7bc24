"""The one thread that writes to the SQLite log, and the writers that hand it their batches.

Group commit: while the disk makes one transaction durable, other callers' batches gather and become the next one. A batch that
cannot be written harms nobody else's. The thread must not touch an event loop but to post outcomes to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from libs.common.clock import Clock
from libs.common.errors import LogClosedError, LogUnavailableError
from libs.common.log.batch import check_batch
from libs.common.log.port import Appended, NewRecord
from libs.common.log.sqlite_file import begin_writing, file_errors, is_outage, open_connection
from libs.common.log.sqlite_rows import RowBatch, delete_old, insert_batches, make_row

BUSY_MS: Final = 5_000  # How long another process's transaction is waited for.

_APPEND_TIMEOUT_S: Final = 20.0
_WATCH_INTERVAL_S: Final = 1.0
_GROUP_BYTES_MAX: Final = 8 * 1024 * 1024
_PENDING_BYTES_MAX: Final = 256 * 1024 * 1024
_TRIM_ROWS: Final = 2_000  # Per transaction, so that appends are not held up.


@dataclass(slots=True, eq=False)
class WriterState:
    """Whether a writer may still write. Set by either side, read by both; what was queued behind a failure is not written."""

    broken: bool = False


@dataclass(slots=True, eq=False)
class AppendJob:
    """A batch for the thread, and where its outcome goes."""

    writer: WriterState
    stream: str
    partition: int
    batch: RowBatch
    size: int
    future: asyncio.Future[Appended]


@dataclass(slots=True, eq=False, kw_only=True)
class TrimJob:
    """Records to delete: before this offset, and older than this time."""

    partition_id: int
    before_offset: int
    before_ms: int
    future: asyncio.Future[None]


Outcome = tuple[AppendJob, Appended | Exception]


class WriterThread:
    """Owns the connection that writes.

    `on_committed` is called in the event loop with the new ends of partitions, by stream and number, once they are durable.
    """

    def __init__(
        self, path: Path, on_committed: Callable[[Mapping[tuple[str, int], int]], None], *, busy_ms: int
    ) -> None:
        self._path: Final = path
        self._busy_ms: Final = busy_ms
        self._on_committed: Final = on_committed
        self._loop: Final = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[AppendJob | TrimJob | None] = queue.SimpleQueue()
        self._pending: deque[AppendJob] = deque()
        self._pending_bytes = 0
        self._moved_s = 0.0  # When something was done last, while something is pending.
        self._watching = False
        self._connection: sqlite3.Connection | None = None
        self._thread: Final = threading.Thread(target=self._run, name=f"log-writer {path.name}", daemon=True)
        self._thread.start()

    def submit(self, job: AppendJob) -> None:
        """Queue a batch. Raises LogUnavailableError when too much waits already."""
        if self._pending_bytes + job.size > _PENDING_BYTES_MAX:
            raise LogUnavailableError("too many appends wait for the disk")
        if not self._pending:
            self._moved_s = self._loop.time()
        if not self._watching:
            self._watching = True
            self._loop.call_later(_WATCH_INTERVAL_S, self._watch)
        self._pending.append(job)
        self._pending_bytes += job.size
        self._jobs.put(job)

    def submit_trim(self, job: TrimJob) -> None:
        """Queue a deletion."""
        self._jobs.put(job)

    async def stop(self) -> None:
        """End after what is queued by now was written."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _watch(self) -> None:
        """One timer for all appends: a time-out for each costs more than all the rest of an append."""
        self._watching = bool(self._pending)
        if not self._watching:
            return
        self._loop.call_later(_WATCH_INTERVAL_S, self._watch)
        if self._loop.time() - self._moved_s > _APPEND_TIMEOUT_S:
            for job in self._pending:
                job.writer.broken = True
                reason = f"{self._path}: the disk did not take an append within {_APPEND_TIMEOUT_S} s"
                resolve(job.future, None, LogUnavailableError(reason))

    def _deliver(self, outcomes: list[Outcome]) -> None:
        """Tell the callers. The thread takes batches in the order in which they were submitted."""
        self._moved_s = self._loop.time()
        ends: dict[tuple[str, int], int] = {}
        for job, outcome in outcomes:
            self._pending.popleft()
            self._pending_bytes -= job.size
            if isinstance(outcome, Appended):
                ends[job.stream, job.partition] = outcome.last_offset + 1
        self._on_committed(ends)
        for job, outcome in outcomes:
            if isinstance(outcome, Appended):
                resolve(job.future, outcome, None)
            else:
                resolve(job.future, None, outcome)

    # Everything below runs in the thread.

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, other = self._gather()
            if group:
                self._call(self._deliver, self._write(group))
            if isinstance(other, TrimJob):
                self._trim(other)
            elif other is None:
                stopping = True
        self._abandon_trims()
        self._disconnect()

    def _gather(self) -> tuple[list[AppendJob], TrimJob | type[AppendJob] | None]:
        """All that waits, up to a bound; the second is what ended the group (AppendJob: nothing did)."""
        job = self._jobs.get()
        group: list[AppendJob] = []
        size = 0
        while isinstance(job, AppendJob):
            group.append(job)
            size += job.size
            if size > _GROUP_BYTES_MAX:
                return group, AppendJob
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, AppendJob
        return group, job

    def _write(self, group: list[AppendJob]) -> list[Outcome]:
        """One transaction for all; where one batch makes it fail, one each."""
        alive = [job for job in group if not job.writer.broken]
        outcomes: list[Outcome] = [(job, LogClosedError()) for job in group if job.writer.broken]
        try:
            outcomes += zip(alive, self._transact(alive), strict=True)
        except LogUnavailableError as error:
            outcomes += [(job, LogUnavailableError(str(error))) for job in alive]
            for job in alive:
                job.writer.broken = True
        except Exception as error:  # Not lost: it becomes the outcome of the batch that it belongs to.
            if len(alive) == 1:
                alive[0].writer.broken = True
                outcomes.append((alive[0], error))
            else:
                for job in alive:
                    outcomes += self._write([job])
        return outcomes

    def _transact(self, group: list[AppendJob]) -> list[Appended]:
        if not group:
            return []
        with file_errors(self._path):
            connection = self._connect()
            try:
                begin_writing(connection, busy_ms=self._busy_ms)
                appended = insert_batches(connection, [job.batch for job in group])
                connection.execute("COMMIT")
            except BaseException as error:
                if isinstance(error, sqlite3.Error) and is_outage(error):
                    # After a failed commit nobody knows what is in the file; a new connection finds out.
                    self._disconnect()
                elif connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return appended

    def _trim(self, job: TrimJob) -> None:
        """Delete some rows; the rest goes to the back of the queue."""
        outcome: Exception | None = None
        try:
            with file_errors(self._path):
                connection = self._connect()
                try:
                    begin_writing(connection, busy_ms=self._busy_ms)
                    more = delete_old(
                        connection, job.partition_id, job.before_offset, job.before_ms, rows_max=_TRIM_ROWS
                    )
                    connection.execute("COMMIT")
                except BaseException:
                    self._disconnect()
                    raise
            if more:
                self._jobs.put(job)
                return
        except (LogUnavailableError, sqlite3.Error) as error:
            outcome = error
        self._call(resolve, job.future, None, outcome)

    def _abandon_trims(self) -> None:
        """Deletions that are queued behind the end; deleting later is as good."""
        with contextlib.suppress(queue.Empty):
            while job := self._jobs.get_nowait():
                self._call(resolve, job.future, None, LogClosedError())

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_connection(self._path, busy_ms=0)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):  # Closing rolls back; a failing disk may refuse even that.
                connection.close()

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        # Once the loop is closed nobody waits for outcomes any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)


class SqliteWriter:
    """See `Writer`. `submit` is how the log passes a batch on; it raises LogClosedError once the log is closed."""

    def __init__(
        self, submit: Callable[[AppendJob], None], clock: Clock, places: dict[tuple[str, int], tuple[int, bool]]
    ) -> None:
        self._submit: Final = submit
        self._clock: Final = clock
        self._places: Final = places
        self._state: Final = WriterState()

    async def append(self, stream: str, partition: int, records: Sequence[NewRecord]) -> Appended:
        """Append one batch; returns once it is on the disk."""
        if self._state.broken:
            raise LogClosedError
        size = check_batch(records)
        partition_id, compacted = self._places[stream, partition]
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        batch = RowBatch(partition_id, compacted, [make_row(record) for record in records], self._clock.now_ms())
        try:
            self._submit(AppendJob(self._state, stream, partition, batch, size, future))
            return await future
        except LogUnavailableError:
            self._state.broken = True
            raise

    async def close(self) -> None:
        """Nothing more is appended; what is queued but not yet written ends with LogClosedError."""
        self._state.broken = True


def resolve(
    future: asyncio.Future[Appended] | asyncio.Future[None], result: Appended | None, error: Exception | None
) -> None:
    """Set a future's outcome, unless it has one: its caller may be gone."""
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type] # The caller pairs the future with its own result.
