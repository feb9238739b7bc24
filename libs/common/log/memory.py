"""The event log in memory: for tests, the simulation and `--log memory:`. Gone with the process.

Deterministic: what happens follows from the order of the calls, the clock that it was given and the faults that were planned. It must
not read another clock, start threads or draw random numbers.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final

from libs.common.clock import Clock, SystemClock
from libs.common.errors import LogClosedError, LogUnavailableError, OffsetOutOfRangeError
from libs.common.log.batch import check_batch
from libs.common.log.faults import AppendFault, Faults, HeldAppend
from libs.common.log.membership import Member
from libs.common.log.port import Appended, NewRecord, OnAssigned, OnRevoked, Record
from libs.common.log.streams import StreamSpec, stream_specs
from libs.common.log.wakeup import LockTable, TableLocks, Wakeup

_DAY_MS: Final = 24 * 60 * 60 * 1000


class _Partition:
    """The records of one partition. Offsets of a compacted one have gaps; times never fall."""

    def __init__(self, spec: StreamSpec, number: int) -> None:
        self.spec = spec
        self.number = number
        self.records: list[Record] = []
        self.begin = 0
        self.end = 0
        self.timestamp_ms = 0

    def append(self, records: Sequence[NewRecord], now_ms: int) -> Appended:
        self.timestamp_ms = max(self.timestamp_ms, now_ms)
        first = self.end
        new = [
            Record(
                stream=self.spec.name,
                partition=self.number,
                offset=first + index,
                timestamp_ms=self.timestamp_ms,
                key=record.key,
                value=record.value,
                headers=record.headers,
            )
            for index, record in enumerate(records)
        ]
        self.end += len(new)
        if self.spec.compacted:
            newest = {record.key: record for record in new}
            self.records = [record for record in self.records if record.key not in newest]
            new = sorted(newest.values(), key=attrgetter("offset"))
        self.records += new
        return Appended(first_offset=first, last_offset=self.end - 1, timestamp_ms=self.timestamp_ms)

    def read(self, offset: int, limit: int) -> list[Record]:
        if not self.begin <= offset <= self.end:
            raise OffsetOutOfRangeError(self.spec.name, self.number, offset, self.begin)
        start = bisect_left(self.records, offset, key=attrgetter("offset"))
        return self.records[start : start + limit]

    def trim(self, before_offset: int, before_ms: int) -> None:
        kept = 0
        while kept < len(self.records):
            record = self.records[kept]
            if record.offset >= before_offset or record.timestamp_ms >= before_ms:
                break
            kept += 1
        if kept:
            del self.records[:kept]
            self.begin = self.records[0].offset if self.records else self.end


class MemoryLog:
    """See the module. `faults` is where tests make things go wrong; without any it behaves like the other logs."""

    def __init__(self, partitions: int = 4, clock: Clock | None = None, *, retention_days: int = 14) -> None:
        self.faults: Final = Faults()
        self._clock: Final = clock or SystemClock()
        self._retention_ms: Final = retention_days * _DAY_MS
        self._specs: Final = stream_specs(partitions=partitions)
        self._stored: Final = {
            (spec.name, number): _Partition(spec, number)
            for spec in self._specs.values()
            for number in range(spec.partitions)
        }
        self._wakeup: Final = Wakeup()
        self._tables: dict[tuple[str, str], LockTable] = {}
        self._members: list[Member] = []
        self._closed = False
        self.faults.on_change(self._wakeup.wake_all)

    async def connect(self) -> None:
        """Nothing to reach and nothing to make."""
        self._check()

    async def close(self) -> None:
        """Leave every group; readers and writers raise LogClosedError from now on."""
        for member in self._members:
            await member.close()
        self._members.clear()
        self._closed = True
        self._wakeup.wake_all()

    def partitions(self, stream: str) -> int:
        """How many partitions the stream has."""
        return self._specs[stream].partitions

    async def open_writer(self, name: str) -> MemoryWriter:
        """A writer; faults can name it."""
        self._check()
        return MemoryWriter(self, name)

    async def open_reader(self, stream: str, offsets: Mapping[int, int]) -> MemoryReader:
        """A reader of these partitions, each from its offset."""
        self._check()
        return MemoryReader(self, stream, offsets)

    async def claim(self, group: str, stream: str, on_assigned: OnAssigned, on_revoked: OnRevoked) -> Member:
        """Join a group. The member's `abandon` makes it vanish as a killed process would."""
        self._check()
        table = self._tables.setdefault((group, stream), LockTable())
        member = Member(TableLocks(table), self.partitions(stream), on_assigned, on_revoked)
        self._members.append(member)
        return member

    async def begin_offset(self, stream: str, partition: int) -> int:
        """The offset of the oldest record that is still there."""
        self._check()
        return self._stored[stream, partition].begin

    async def end_offset(self, stream: str, partition: int) -> int:
        """One after the newest record."""
        self._check()
        return self._stored[stream, partition].end

    async def trim(self, stream: str, partition: int, before_offset: int) -> None:
        """Drop what is older than this offset and than the retention; a compacted stream keeps everything."""
        self._check()
        if not self._specs[stream].compacted:
            self._stored[stream, partition].trim(before_offset, self._clock.now_ms() - self._retention_ms)

    def _check(self) -> None:
        if self._closed:
            raise LogClosedError
        self.faults.check_reachable()

    def _write(self, stream: str, partition: int, records: Sequence[NewRecord]) -> Appended:
        appended = self._stored[stream, partition].append(records, self._clock.now_ms())
        self._wakeup.wake((stream, partition))
        return appended


class MemoryWriter:
    """See `Writer`."""

    def __init__(self, log: MemoryLog, name: str) -> None:
        self._log: Final = log
        self._name: Final = name
        self._broken = False

    async def append(self, stream: str, partition: int, records: Sequence[NewRecord]) -> Appended:
        """Append one batch; it is there as soon as this is called, and whoever waits hears of it."""
        if self._broken or self._log._closed:
            raise LogClosedError
        check_batch(records)
        assert 0 <= partition < self._log.partitions(stream), f"{stream} has no partition {partition}"
        batch = tuple(records)
        fault = self._log.faults.take(self._name, stream)
        try:
            self._log.faults.check_reachable()
            if isinstance(fault, HeldAppend):
                return await fault.hold(lambda: self._log._write(stream, partition, batch))
            if fault is AppendFault.NOT_WRITTEN:
                raise LogUnavailableError("the append failed; nothing was written")
            appended = self._log._write(stream, partition, batch)
            # No log answers within the same turn of the event loop; a caller must not come to rely on that here.
            await asyncio.sleep(0)
            if fault is AppendFault.WRITTEN:
                raise LogUnavailableError("the append's answer was lost")
        except LogUnavailableError:
            self._broken = True
            raise
        return appended

    async def close(self) -> None:
        """Nothing is appended any more."""
        self._broken = True


class MemoryReader:
    """See `Reader`."""

    def __init__(self, log: MemoryLog, stream: str, offsets: Mapping[int, int]) -> None:
        assert offsets, "a reader of no partition would never return anything"
        self._log: Final = log
        self._stream: Final = stream
        self._offsets = dict(offsets)
        self._closed = False

    async def poll(self, *, max_records: int = 500, wait_ms: int = 0) -> list[Record]:
        """The next records; waits on the log's clock, and is woken by an append."""
        # No log answers within the same turn of the event loop. The turn comes first: a poll that is cancelled has read nothing.
        await asyncio.sleep(0)
        records = self._read(max_records)
        if records or wait_ms <= 0:
            return records
        deadline_ms = self._log._clock.now_ms() + wait_ms
        places = [(self._stream, partition) for partition in self._offsets]
        while not records and (left_ms := deadline_ms - self._log._clock.now_ms()) > 0:
            await self._log._wakeup.wait(places, self._log._clock, left_ms)
            records = self._read(max_records)
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
        self._log._wakeup.wake_all()

    def _read(self, limit: int) -> list[Record]:
        if self._closed:
            raise LogClosedError
        self._log._check()
        records: list[Record] = []
        if self._log.faults.readers_paused(self._stream):
            return records
        served: dict[int, int] = {}
        for partition, offset in self._offsets.items():
            read = self._log._stored[self._stream, partition].read(offset, limit - len(records))
            if read:
                records += read
                served[partition] = read[-1].offset + 1
            if len(records) >= limit:
                break
        for partition, after in served.items():
            # What was served goes to the back, so that a busy partition does not starve the others.
            self._offsets.pop(partition)
            self._offsets[partition] = after
        return records
