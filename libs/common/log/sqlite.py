"""The event log in one SQLite file: one machine, one or several processes, no server.

Appends go through one writer thread per process (group commit), reads go straight to the file. Inside the process readers are woken by
the commit; what other processes commit is noticed by `PRAGMA data_version` every few milliseconds. Partitions are claimed by
file locks in a folder beside the file.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from libs.common.clock import Clock, SystemClock
from libs.common.errors import LogClosedError, LogUnavailableError
from libs.common.log.file_locks import FileLocks
from libs.common.log.membership import Member
from libs.common.log.port import OnAssigned, OnRevoked
from libs.common.log.sqlite_file import file_errors, open_connection, prepare_file
from libs.common.log.sqlite_reader import ReaderPool, SqliteReader
from libs.common.log.sqlite_writer import BUSY_MS, AppendJob, SqliteWriter, TrimJob, WriterThread
from libs.common.log.streams import stream_specs
from libs.common.log.wakeup import LockTable, Place, Wakeup

_DAY_MS: Final = 24 * 60 * 60 * 1000
_WATCH_INTERVAL_S: Final = 0.01
# Where other processes append, they probably append more.
_WATCH_BUSY_INTERVAL_S: Final = 0.005
_BUSY_S: Final = 0.1
_LOOK_BUSY_MS: Final = 100  # The event loop's own connection: it reads, and readers hardly ever wait for anybody.


class SqliteLog:
    """See the module. Belongs to the event loop in which `connect` is called.

    `busy_ms` is how long another process's transaction is waited for before an append fails.
    """

    def __init__(
        self,
        path: Path,
        partitions: int = 4,
        clock: Clock | None = None,
        *,
        retention_days: int = 14,
        busy_ms: int = BUSY_MS,
    ) -> None:
        self.path: Final = path
        self.clock: Final = clock or SystemClock()
        self.wakeup: Final = Wakeup()
        self._busy_ms: Final = busy_ms
        self._retention_ms: Final = retention_days * _DAY_MS
        self._specs: Final = stream_specs(partitions=partitions)
        self._places: dict[Place, tuple[int, bool]] = {}  # The partition's id, and whether its stream is compacted.
        self._bounds: dict[Place, tuple[int, int]] = {}
        self._version = -1
        self._rows: list[tuple[str, int, int, int]] = []  # As of the last look.
        self._changed_s = 0.0  # When somebody had appended or trimmed.
        self._looked_s = 0.0
        self._written: tuple[int, int] = (0, 0)  # When the journal was written last, and its size.
        self._journal: Final = f"{path}-wal"
        self._connecting: Final = asyncio.Lock()  # In one process several services share one log, and each connects.
        self._look: sqlite3.Connection | None = None
        self._writing: WriterThread | None = None
        self._reading: ReaderPool | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._tables: dict[tuple[str, str], LockTable] = {}
        self._members: list[Member] = []
        self._closed = False

    async def connect(self) -> None:
        """Make the file and its tables where they are missing. Raises LogUnavailableError and LogMismatchError."""
        async with self._connecting:
            if self._closed:
                raise LogClosedError
            if self._look is None:
                await self._connect()

    async def _connect(self) -> None:
        ids = await asyncio.to_thread(self._prepare)
        with file_errors(self.path):
            look = open_connection(self.path, busy_ms=_LOOK_BUSY_MS)
        self._places = {
            place: (ids[place], self._specs[place[0]].compacted) for place in ids if place[0] in self._specs
        }
        self._look = look
        self._writing = WriterThread(self.path, self._committed, busy_ms=self._busy_ms)
        self._reading = ReaderPool(self.path)

    async def close(self) -> None:
        """Leave every group, write what is queued, let go of the file."""
        if self._closed:
            return
        for member in self._members:
            await member.close()
        self._members.clear()
        self._closed = True
        self.wakeup.wake_all()
        if self._watch is not None:
            self._watch.cancel()
        if self._writing is not None:
            await self._writing.stop()
        if self._reading is not None:
            await self._reading.stop()
        if self._look is not None:
            self._look.close()

    def partitions(self, stream: str) -> int:
        """How many partitions the stream has."""
        return self._specs[stream].partitions

    async def open_writer(self, name: str) -> SqliteWriter:
        """A writer. Its name matters to nobody here."""
        self.looking()
        return SqliteWriter(self._submit, self.clock, self._places)

    async def open_reader(self, stream: str, offsets: Mapping[int, int]) -> SqliteReader:
        """A reader of these partitions, each from its offset."""
        self.looking()
        assert self._reading is not None
        ids = {partition: self._places[stream, partition] for partition in offsets}
        return SqliteReader(self, self._reading, stream, ids, offsets)

    async def claim(self, group: str, stream: str, on_assigned: OnAssigned, on_revoked: OnRevoked) -> Member:
        """Join a group that spans every process on this file."""
        self.looking()
        table = self._tables.setdefault((group, stream), LockTable())
        folder = self.path.with_name(f"{self.path.name}.claims") / quote(group, safe="") / stream
        member = Member(FileLocks(folder, table), self.partitions(stream), on_assigned, on_revoked)
        self._members.append(member)
        return member

    async def begin_offset(self, stream: str, partition: int) -> int:
        """The offset of the oldest record that is still there (of a compacted stream: that was ever there)."""
        return self.bounds(stream, partition)[0]

    async def end_offset(self, stream: str, partition: int) -> int:
        """One after the newest record."""
        return self.bounds(stream, partition)[1]

    async def trim(self, stream: str, partition: int, before_offset: int) -> None:
        """Delete what is older than this offset and than the retention; a compacted stream keeps everything."""
        self.looking()
        assert self._writing is not None
        partition_id, compacted = self._places[stream, partition]
        if compacted:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writing.submit_trim(
            TrimJob(
                partition_id=partition_id,
                before_offset=before_offset,
                before_ms=self.clock.now_ms() - self._retention_ms,
                future=future,
            )
        )
        await future

    # Below: for the readers of this log.

    def looking(self) -> sqlite3.Connection:
        """The event loop's connection. Raises LogClosedError, and LogUnavailableError before `connect`."""
        if self._closed:
            raise LogClosedError
        if self._look is None:
            raise LogUnavailableError("the log is not connected yet")
        return self._look

    def bounds(self, stream: str, partition: int) -> tuple[int, int]:
        """Begin and end of a partition as of now, whoever appended last."""
        self.refresh()
        return self._bounds[stream, partition]

    def seen_bounds(self, stream: str, partition: int) -> tuple[int, int]:
        """Begin and end of a partition as of the last look."""
        return self._bounds[stream, partition]

    def watch(self) -> None:
        """See to it that waiters hear of other processes' appends. Called before waiting."""
        if self._watch is None:
            loop = asyncio.get_running_loop()
            busy = loop.time() - self._changed_s < _BUSY_S
            self._watch = loop.call_later(_WATCH_BUSY_INTERVAL_S if busy else _WATCH_INTERVAL_S, self._look_again, loop)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watch = None
        if self._closed or not self.wakeup.awaited:
            return
        try:
            if loop.time() - self._looked_s >= _WATCH_INTERVAL_S or self._was_written():
                self._looked_s = loop.time()
                self.refresh()
        except (LogUnavailableError, sqlite3.Error):
            self.wakeup.wake_all()  # The readers meet the same error, with somebody to hear it.
        if self.wakeup.awaited:
            self.watch()

    def _was_written(self) -> bool:
        """To ask the file system costs a tenth of asking SQLite; it may miss what was written within one tick of its clock."""
        try:
            state = os.stat(self._journal)  # noqa: PTH116  # a Path costs more than the call
        except OSError:
            return True
        written = (state.st_mtime_ns, state.st_size)
        changed = written != self._written
        self._written = written
        return changed

    def refresh(self) -> None:
        """Look whether anybody appended or trimmed."""
        look = self.looking()
        with file_errors(self.path):
            version = look.execute("PRAGMA data_version").fetchone()[0]
            if version == self._version:
                return
            rows = look.execute("SELECT stream, partition, begin_offset, end_offset FROM partitions").fetchall()
        self._version = version
        self._changed_s = asyncio.get_running_loop().time()
        seen, self._rows = self._rows, rows
        # Nearly always one or two of all have changed.
        news = (
            [row for row, before in zip(rows, seen, strict=True) if row != before] if len(rows) == len(seen) else rows
        )
        for stream, partition, begin, end in news:
            place = (stream, partition)
            if self._bounds.get(place) != (begin, end):
                self._bounds[place] = (begin, end)
                self.wakeup.wake(place)

    def _committed(self, ends: Mapping[Place, int]) -> None:
        for place, after in ends.items():
            begin, end = self._bounds.get(place, (0, 0))
            self._bounds[place] = (begin, max(end, after))
            self.wakeup.wake(place)

    def _submit(self, job: AppendJob) -> None:
        self.looking()
        assert self._writing is not None
        self._writing.submit(job)

    def _prepare(self) -> dict[Place, int]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogUnavailableError(f"{self.path.parent}: {error.strerror}") from error
        return prepare_file(self.path, self._specs.values(), busy_ms=self._busy_ms)
