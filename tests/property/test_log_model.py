"""The memory and the SQLite log against a simple model, over random sequences of calls."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from libs.common.clock import VirtualClock
from libs.common.errors import OffsetOutOfRangeError
from libs.common.log.memory import MemoryLog
from libs.common.log.port import EventLog, NewRecord, Reader, Record, Writer
from libs.common.log.sqlite import SqliteLog
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_SNAPSHOTS

T = TypeVar("T")

DAY_MS = 86_400_000
RETENTION_DAYS = 2
PARTITIONS = 2
STREAMS = (ROUTING_EVENTS, ROUTING_SNAPSHOTS)
PLACES = st.tuples(st.sampled_from(STREAMS), st.integers(0, PARTITIONS - 1))
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3).map(tuple)
RECORDS = st.builds(NewRecord, key=st.sampled_from(["", "a", "b", "ü☎"]), value=st.binary(max_size=20), headers=HEADERS)
BATCHES = st.lists(RECORDS, min_size=1, max_size=5)


class ModelPartition:
    """What a partition is: a list of what was ever appended, of which some is gone."""

    def __init__(self, stream: str, partition: int) -> None:
        self.stream = stream
        self.partition = partition
        self.all: list[Record] = []
        self.begin = 0

    @property
    def compacted(self) -> bool:
        return self.stream == ROUTING_SNAPSHOTS

    def append(self, batch: list[NewRecord], now_ms: int) -> tuple[int, int]:
        first = len(self.all)
        for record in batch:
            self.all.append(
                Record(
                    stream=self.stream,
                    partition=self.partition,
                    offset=len(self.all),
                    timestamp_ms=now_ms,
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                )
            )
        return first, len(self.all) - 1

    def kept(self, offset: int) -> list[Record]:
        newest = {record.key: record.offset for record in self.all}
        return [
            record
            for record in self.all[max(offset, self.begin) :]
            if not self.compacted or newest[record.key] == record.offset
        ]

    def trim(self, before: int, before_ms: int) -> None:
        if self.compacted:
            return
        while self.begin < min(before, len(self.all)) and self.all[self.begin].timestamp_ms < before_ms:
            self.begin += 1


class LogMachine(RuleBasedStateMachine):
    """Calls on a log, compared with the same calls on the model."""

    readers = Bundle("readers")
    writers = Bundle("writers")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = VirtualClock()
        self.model = {
            (stream, partition): ModelPartition(stream, partition)
            for stream in STREAMS
            for partition in range(PARTITIONS)
        }
        self.log = self.open()
        self.run(self.log.connect())

    def open(self) -> EventLog:
        return MemoryLog(PARTITIONS, self.clock, retention_days=RETENTION_DAYS)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize(target=writers)
    def first_writer(self) -> Writer:
        return self.run(self.log.open_writer("first"))

    @rule(target=writers)
    def open_writer(self) -> Writer:
        return self.run(self.log.open_writer("another"))

    @rule(writer=writers, place=PLACES, batch=BATCHES)
    def append(self, writer: Writer, place: tuple[str, int], batch: list[NewRecord]) -> None:
        appended = self.run(writer.append(*place, batch))
        expected = self.model[place].append(batch, self.clock.now_ms())
        assert (appended.first_offset, appended.last_offset) == expected
        assert appended.timestamp_ms == self.clock.now_ms()

    @rule(writer=writers, partition=st.integers(0, PARTITIONS - 1), batches=st.lists(BATCHES, min_size=2, max_size=4))
    def append_at_once(self, writer: Writer, partition: int, batches: list[list[NewRecord]]) -> None:
        async def append_all() -> list[int]:
            appends = (writer.append(ROUTING_EVENTS, partition, batch) for batch in batches)
            return [appended.first_offset for appended in await asyncio.gather(*appends)]

        model = self.model[ROUTING_EVENTS, partition]
        assert self.run(append_all()) == [model.append(batch, self.clock.now_ms())[0] for batch in batches]

    @rule(target=readers, stream=st.sampled_from(STREAMS), back=st.lists(st.integers(0, 4), min_size=2, max_size=2))
    def open_reader(self, stream: str, back: list[int]) -> tuple[str, Reader]:
        offsets = {
            partition: max(self.model[stream, partition].begin, len(self.model[stream, partition].all) - steps)
            for partition, steps in enumerate(back)
        }
        return stream, self.run(self.log.open_reader(stream, offsets))

    @rule(reader=readers, limit=st.integers(1, 8))
    def poll(self, reader: tuple[str, Reader], limit: int) -> None:
        stream, reading = reader
        models = [self.model[stream, partition] for partition in range(PARTITIONS)]
        before = [reading.position(partition) for partition in range(PARTITIONS)]
        lost = [partition for partition in range(PARTITIONS) if before[partition] < models[partition].begin]
        try:
            records = self.run(reading.poll(max_records=limit))
        except OffsetOutOfRangeError as error:
            refused = error
        else:
            # A partition that was not reached is not judged.
            self.check_polled(models, before, reading, records, limit)
            assert all(reading.position(partition) == before[partition] for partition in lost)
            return
        assert refused.partition in lost
        assert before == [reading.position(partition) for partition in range(PARTITIONS)]
        self.run(reading.seek(refused.partition, refused.first_offset))

    def check_polled(
        self, models: list[ModelPartition], before: list[int], reading: Reader, records: list[Record], limit: int
    ) -> None:
        assert len(records) <= limit
        expected = [model.kept(offset) for model, offset in zip(models, before, strict=True)]
        for partition, wanted in enumerate(expected):
            found = [record for record in records if record.partition == partition]
            assert found == wanted[: len(found)]
            if found:
                assert reading.position(partition) == found[-1].offset + 1
        assert records or not any(expected)

    @rule(reader=readers, partition=st.integers(0, PARTITIONS - 1), back=st.integers(0, 6))
    def seek(self, reader: tuple[str, Reader], partition: int, back: int) -> None:
        stream, reading = reader
        model = self.model[stream, partition]
        self.run(reading.seek(partition, max(model.begin, len(model.all) - back)))

    @rule(reader=consumes(readers))
    def close_reader(self, reader: tuple[str, Reader]) -> None:
        self.run(reader[1].close())

    @rule(hours=st.integers(0, 30))
    def pass_time(self, hours: int) -> None:
        self.clock.advance_ms(hours * 3_600_000)

    @rule(place=PLACES, back=st.integers(-2, 6))
    def trim(self, place: tuple[str, int], back: int) -> None:
        model = self.model[place]
        before = max(0, len(model.all) - back)
        self.run(self.log.trim(*place, before))
        model.trim(before, self.clock.now_ms() - RETENTION_DAYS * DAY_MS)

    @invariant()
    def knows_its_bounds(self) -> None:
        for place, model in self.model.items():
            assert self.run(self.log.end_offset(*place)) == len(model.all)
            assert self.run(self.log.begin_offset(*place)) == model.begin

    def teardown(self) -> None:
        self.run(self.log.close())
        self.runner.close()
        self.folder.cleanup()


class SqliteMachine(LogMachine):
    """The same on a file."""

    def open(self) -> EventLog:
        path = Path(self.folder.name) / "log.db"
        return SqliteLog(path, PARTITIONS, self.clock, retention_days=RETENTION_DAYS)


TestMemoryModel = LogMachine.TestCase
TestMemoryModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSqliteModel = SqliteMachine.TestCase
TestSqliteModel.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
