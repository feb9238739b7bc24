"""Reading from the SQLite log: a few rows at the tail straight in the event loop, a backlog in a thread.

A tail read takes some ten microseconds from pages that are in memory, less than the way to a thread and back; a backlog may have to come
from the disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

from libs.common.clock import Clock
from libs.common.errors import LogClosedError, OffsetOutOfRangeError
from libs.common.log.port import Record
from libs.common.log.sqlite_file import file_errors, open_connection
from libs.common.log.sqlite_rows import read_records
from libs.common.log.wakeup import Wakeup

_DIRECT_RECORDS_MAX: Final = 64
_THREADS: Final = 2
_BUSY_MS: Final = 2_000


class SharedFile(Protocol):
    """What a reader needs of its log."""

    @property
    def path(self) -> Path:
        """Where the file is, for messages."""
        ...

    @property
    def clock(self) -> Clock:
        """What waiting is measured by."""
        ...

    @property
    def wakeup(self) -> Wakeup:
        """Where readers wait."""
        ...

    def looking(self) -> sqlite3.Connection:
        """The event loop's connection."""
        ...

    def bounds(self, stream: str, partition: int) -> tuple[int, int]:
        """Begin and end as of now."""
        ...

    def refresh(self) -> None:
        """Look whether anybody appended or trimmed."""
        ...

    def seen_bounds(self, stream: str, partition: int) -> tuple[int, int]:
        """Begin and end as of the last look."""
        ...

    def watch(self) -> None:
        """See to it that waiters hear of other processes' appends."""
        ...


class ReaderPool:
    """Threads that read backlogs, each with a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._threads: Final = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"log-reader {path.name}")
        self._own: Final = threading.local()
        self._connections: list[sqlite3.Connection] = []

    async def read(self, stream: str, partition: int, partition_id: int, offset: int, limit: int) -> list[Record]:
        """Like `read_records`, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, stream, partition, partition_id, offset, limit)

    async def stop(self) -> None:
        """Let reads under way end, then close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._connections:
            connection.close()

    def _read(self, stream: str, partition: int, partition_id: int, offset: int, limit: int) -> list[Record]:
        with file_errors(self._path):
            connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
            if connection is None:
                connection = self._own.connection = open_connection(self._path, busy_ms=_BUSY_MS)
                self._connections.append(connection)
            return read_records(connection, stream, partition, partition_id, offset, limit)


class SqliteReader:
    """See `Reader`."""

    def __init__(
        self,
        file: SharedFile,
        pool: ReaderPool,
        stream: str,
        ids: Mapping[int, tuple[int, bool]],
        offsets: Mapping[int, int],
    ) -> None:
        assert offsets, "a reader of no partition would never return anything"
        self._file: Final = file
        self._pool: Final = pool
        self._stream: Final = stream
        self._ids: Final = {partition: partition_id for partition, (partition_id, _) in ids.items()}
        self._compacted: Final = any(compacted for _, compacted in ids.values())
        self._offsets = dict(offsets)
        self._closed = False

    async def poll(self, *, max_records: int = 500, wait_ms: int = 0) -> list[Record]:
        """The next records; woken by the commit of an append."""
        records = await self._read(max_records)
        if records or wait_ms <= 0:
            return records
        deadline_ms = self._file.clock.now_ms() + wait_ms
        places = [(self._stream, partition) for partition in self._offsets]
        while not records and (left_ms := deadline_ms - self._file.clock.now_ms()) > 0:
            self._file.watch()
            await self._file.wakeup.wait(places, self._file.clock, left_ms)
            # Whoever woke it has looked; who wakes it for an error leaves it to find that by itself.
            records = await self._read(max_records, again=False) or await self._read(max_records)
        return records

    def position(self, partition: int) -> int:
        """The offset of the next record of this partition."""
        return self._offsets[partition]

    async def seek(self, partition: int, offset: int) -> None:
        """Go on from this offset."""
        assert partition in self._offsets, f"this reader does not read partition {partition}"
        self._offsets[partition] = offset

    async def close(self) -> None:
        """Stop reading; a poll that waits ends with LogClosedError."""
        self._closed = True
        self._file.wakeup.wake_all()

    async def _read(self, limit: int, *, again: bool = True) -> list[Record]:
        """What is there. Returns empty without an await in between, so that a caller may wait at once and miss nothing."""
        records: list[Record] = []
        moved: dict[int, tuple[int, int]] = {}
        self._looking()
        if again:
            self._file.refresh()
        for partition, offset in tuple(self._offsets.items()):
            look = self._looking()
            begin, end = self._file.seen_bounds(self._stream, partition)
            if not begin <= offset <= end:
                raise OffsetOutOfRangeError(self._stream, partition, offset, begin)
            if offset == end:
                continue
            room = min(limit - len(records), end - offset)
            if room <= _DIRECT_RECORDS_MAX:
                with file_errors(self._file.path):
                    read = read_records(look, self._stream, partition, self._ids[partition], offset, room)
            else:
                read = await self._pool.read(self._stream, partition, self._ids[partition], offset, room)
                self._looking()
            if not self._compacted and (not read or read[0].offset != offset):
                # Trimmed since the look at the bounds. To go on with what is left would be to lose records in silence.
                raise OffsetOutOfRangeError(
                    self._stream, partition, offset, self._file.bounds(self._stream, partition)[0]
                )
            records += read
            # A compacted partition may hold nothing between here and its end.
            moved[partition] = offset, read[-1].offset + 1 if read else end
            if len(records) >= limit:
                break
        # No position moves before everything was read, or an error or a cancelled poll would skip what nobody was given.
        if any(self._offsets[partition] != offset for partition, (offset, _) in moved.items()):
            return []  # Somebody sought while a thread read.
        for partition, (_, after) in moved.items():
            # What was served goes to the back, so that a busy partition does not starve the others.
            self._offsets.pop(partition)
            self._offsets[partition] = after
        return records

    def _looking(self) -> sqlite3.Connection:
        if self._closed:
            raise LogClosedError
        return self._file.looking()
