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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from libs.common.clock import Clock
from libs.common.errors import LogClosedError, LogUnavailableError
from libs.common.log.batch import check_batch
from libs.common.log.port import Appended, NewRecord
from libs.common.log.sqlite_file import PLACE_BITS, begin_writing, file_errors, is_outage, open_connection

BUSY_MS: Final = 5_000  # How long another process's transaction is waited for.

_APPEND_TIMEOUT_S: Final = 20.0
_GROUP_BYTES_MAX: Final = 8 * 1024 * 1024
_PENDING_BYTES_MAX: Final = 256 * 1024 * 1024
_TRIM_ROWS: Final = 2_000  # Per transaction, so that appends are not held up.

_headers: Final = msgspec.msgpack.Encoder()

Row = tuple[str, bytes, bytes]  # Key, value and encoded headers.


@dataclass(slots=True, eq=False)
class WriterState:
    """Whether a writer may still write. Set by either side, read by both; what was queued behind a failure is not written."""

    broken: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class AppendJob:
    """A batch for the thread, and where its outcome goes."""

    writer: WriterState
    stream: str
    partition: int
    partition_id: int
    compacted: bool
    rows: list[Row]
    size: int
    now_ms: int
    future: asyncio.Future[Appended]


@dataclass(slots=True, eq=False, kw_only=True)
class TrimJob:
    """Records to delete: before this offset, and older than this time."""

    stream: str
    partition: int
    partition_id: int
    before_offset: int
    before_ms: int
    future: asyncio.Future[None]


Outcome = tuple[AppendJob, Appended | BaseException]


class WriterThread:
    """Owns the connection that writes. `on_committed` is called in the event loop for every batch that is durable."""

    def __init__(self, path: Path, on_committed: Callable[[AppendJob, Appended], None], *, busy_ms: int) -> None:
        self._path: Final = path
        self._busy_ms: Final = busy_ms
        self._on_committed: Final = on_committed
        self._loop: Final = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[AppendJob | TrimJob | None] = queue.SimpleQueue()
        self._pending_bytes = 0
        self._connection: sqlite3.Connection | None = None
        self._thread: Final = threading.Thread(target=self._run, name=f"log-writer {path.name}", daemon=True)
        self._thread.start()

    def submit(self, job: AppendJob) -> None:
        """Queue a batch. Raises LogUnavailableError when too much waits already."""
        if self._pending_bytes + job.size > _PENDING_BYTES_MAX:
            raise LogUnavailableError("too many appends wait for the disk")
        self._pending_bytes += job.size
        self._jobs.put(job)

    def submit_trim(self, job: TrimJob) -> None:
        """Queue a deletion."""
        self._jobs.put(job)

    async def stop(self) -> None:
        """End after what is queued by now was written."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    # Everything below runs in the thread, but `_deliver`.

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, other = self._gather()
            if group:
                self._post(self._write(group))
            if isinstance(other, TrimJob):
                self._trim(other)
            elif other is None:
                stopping = True
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
                appended = [_insert(connection, job) for job in group]
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
        outcome: BaseException | None = None
        try:
            with file_errors(self._path):
                connection = self._connect()
                try:
                    begin_writing(connection, busy_ms=self._busy_ms)
                    more = _delete(connection, job)
                    connection.execute("COMMIT")
                except BaseException:
                    self._disconnect()
                    raise
            if more:
                self._jobs.put(job)
                return
        except (LogUnavailableError, sqlite3.Error) as error:
            outcome = error
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_resolve, job.future, None, outcome)

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_connection(self._path, busy_ms=0)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):  # Closing rolls back; a failing disk may refuse even that.
                connection.close()

    def _post(self, outcomes: list[Outcome]) -> None:
        # Once the loop is closed nobody waits for outcomes any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, outcomes)

    def _deliver(self, outcomes: list[Outcome]) -> None:
        for job, outcome in outcomes:
            self._pending_bytes -= job.size
            if isinstance(outcome, BaseException):
                _resolve(job.future, None, outcome)
            else:
                self._on_committed(job, outcome)
                _resolve(job.future, outcome, None)


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
        job = AppendJob(
            writer=self._state,
            stream=stream,
            partition=partition,
            partition_id=partition_id,
            compacted=compacted,
            rows=[_row(record) for record in records],
            size=size,
            now_ms=self._clock.now_ms(),
            future=future,
        )
        try:
            self._submit(job)
            async with asyncio.timeout(_APPEND_TIMEOUT_S):
                return await future
        except TimeoutError:
            self._state.broken = True
            raise LogUnavailableError(f"the disk did not take an append within {_APPEND_TIMEOUT_S} s") from None
        except LogUnavailableError:
            self._state.broken = True
            raise

    async def close(self) -> None:
        """Nothing more is appended; what is queued but not yet written ends with LogClosedError."""
        self._state.broken = True


def _row(record: NewRecord) -> Row:
    record.key.encode()  # What is not Unicode must fail here, with its caller, and not in the thread.
    return record.key, record.value, _headers.encode(record.headers)


def _insert(connection: sqlite3.Connection, job: AppendJob) -> Appended:
    end, newest_ms = connection.execute(
        "SELECT end_offset, timestamp_ms FROM partitions WHERE id = ?", (job.partition_id,)
    ).fetchone()
    timestamp_ms = max(newest_ms, job.now_ms)
    place = (job.partition_id << PLACE_BITS) + end
    connection.executemany(
        "INSERT INTO records (place, timestamp_ms, key, value, headers) VALUES (?, ?, ?, ?, ?)",
        [(place + index, timestamp_ms, *row) for index, row in enumerate(job.rows)],
    )
    if job.compacted:
        _compact(connection, job, place)
    after = end + len(job.rows)
    connection.execute(
        "UPDATE partitions SET end_offset = ?, timestamp_ms = ? WHERE id = ?", (after, timestamp_ms, job.partition_id)
    )
    return Appended(first_offset=end, last_offset=after - 1, timestamp_ms=timestamp_ms)


def _compact(connection: sqlite3.Connection, job: AppendJob, place: int) -> None:
    """Delete what the new records supersede."""
    for index, (key, _, _) in enumerate(job.rows):
        identity = (job.partition_id, key)
        old = connection.execute("SELECT place FROM newest WHERE partition_id = ? AND key = ?", identity).fetchone()
        if old is not None:
            connection.execute("DELETE FROM records WHERE place = ?", old)
        connection.execute(
            "INSERT OR REPLACE INTO newest (partition_id, key, place) VALUES (?, ?, ?)", (*identity, place + index)
        )


def _delete(connection: sqlite3.Connection, job: TrimJob) -> bool:
    """Delete up to a bound; whether there is more."""
    begin, end = connection.execute(
        "SELECT begin_offset, end_offset FROM partitions WHERE id = ?", (job.partition_id,)
    ).fetchone()
    base = job.partition_id << PLACE_BITS
    stop = min(job.before_offset, end, begin + _TRIM_ROWS)
    kept = connection.execute(
        "SELECT place FROM records WHERE place >= ? AND place < ? AND timestamp_ms >= ? ORDER BY place LIMIT 1",
        (base + begin, base + stop, job.before_ms),
    ).fetchone()
    if kept is not None:
        stop = kept[0] - base
    if stop <= begin:
        return False
    connection.execute("DELETE FROM records WHERE place >= ? AND place < ?", (base + begin, base + stop))
    connection.execute("UPDATE partitions SET begin_offset = ? WHERE id = ?", (stop, job.partition_id))
    return kept is None and stop < min(job.before_offset, end)


def _resolve(
    future: asyncio.Future[Appended] | asyncio.Future[None], result: Appended | None, error: BaseException | None
) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type] # The caller pairs the future with its own result.
