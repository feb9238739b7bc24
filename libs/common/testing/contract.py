"""What every event log must do: test cases that run over the memory, the SQLite and the Kafka log.

A test module subclasses `LogContract` and gives the fixture `open_log`, which opens the log under test, connected: every call within a
test gives another view of the same storage, as another process would have it, and the fixture closes them all. The fixture
`pass_days` moves the log's time on; the logs under test keep records for 14 days and have four partitions. What an adapter cannot
do is marked there as an expected failure with its reason; nothing is left out here. Only tests import this module.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import pytest

from libs.common.errors import BatchTooLargeError, LogClosedError, OffsetOutOfRangeError
from libs.common.events.codec import encode_record
from libs.common.events.routing import PresenceChanged, WriterStarted
from libs.common.log import streams
from libs.common.log.batch import BATCH_BYTES_MAX, batch_bytes
from libs.common.log.fence import Fence
from libs.common.log.port import Claim, EventLog, NewRecord, Reader, Record, Writer

OpenLog = Callable[[], Awaitable[EventLog]]
PassDays = Callable[[int], None]

STREAM: Final = streams.ROUTING_INPUTS
PATIENCE_S: Final = 40.0  # After this a test has failed; nothing here takes that long when it works.


def a_record(text: str, key: str = "care") -> NewRecord:
    """A record whose value is this text."""
    return NewRecord(key=key, value=text.encode(), headers=(("ce_id", text.encode()),))


def texts(records: Sequence[Record]) -> list[str]:
    """The values, as text."""
    return [record.value.decode() for record in records]


async def read_until(reader: Reader, count: int, max_records: int = 500) -> list[Record]:
    """The next `count` records, however many polls they take."""
    records: list[Record] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(records) < count:
            records += await reader.poll(max_records=max_records, wait_ms=1_000)
    return records


class GroupMember:
    """A member of a group that remembers what it was given and tells when it has what a test waits for."""

    def __init__(self, holders: dict[int, GroupMember]) -> None:
        self.held: set[int] = set()
        self.calls: list[tuple[str, frozenset[int]]] = []
        self._holders = holders
        self._changed = asyncio.Condition()
        self._inside = 0
        self.claim: Claim | None = None

    async def join(self, log: EventLog, group: str) -> GroupMember:
        """Claim partitions of the contract's stream."""
        self.claim = await log.claim(group, STREAM, self._assigned, self._revoked)
        return self

    async def leave(self) -> None:
        """Close the claim."""
        assert self.claim is not None
        async with asyncio.timeout(PATIENCE_S):
            await self.claim.close()

    async def holds(self, count: int) -> None:
        """Return once it has this many partitions."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.held) == count)

    async def _assigned(self, partitions: frozenset[int]) -> None:
        await self._call("assigned", partitions)
        for partition in partitions:
            assert partition not in self._holders, f"partition {partition} is with two members at once"
            self._holders[partition] = self
        self.held |= partitions
        await self._tell()

    async def _revoked(self, partitions: frozenset[int]) -> None:
        await self._call("revoked", partitions)
        assert partitions <= self.held, "what was never given is taken"
        for partition in partitions:
            assert self._holders.pop(partition) is self
        self.held -= partitions
        await self._tell()

    async def _call(self, name: str, partitions: frozenset[int]) -> None:
        self.calls.append((name, partitions))
        self._inside += 1
        await asyncio.sleep(0)  # Gives a second callback the chance to come in between, which it must not take.
        assert self._inside == 1, "two callbacks of one member run at once"
        self._inside -= 1

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class LogContract:
    """The test cases. See the module."""

    async def test_gives_each_partition_its_own_dense_offsets(self, open_log: OpenLog) -> None:
        """Offsets count up from zero, and a partition holds what was appended to it and nothing else."""
        log = await open_log()
        writer = await log.open_writer("test")
        first = await writer.append(STREAM, 0, [a_record("a"), a_record("b")])
        other = await writer.append(STREAM, 1, [a_record("x")])
        second = await writer.append(STREAM, 0, [a_record("c")])
        assert (first.first_offset, first.last_offset) == (0, 1)
        assert (other.first_offset, other.last_offset) == (0, 0)
        assert (second.first_offset, second.last_offset) == (2, 2)
        records = await read_until(await log.open_reader(STREAM, {0: 0}), 3)
        assert texts(records) == ["a", "b", "c"]
        assert [(record.stream, record.partition, record.offset) for record in records] == [
            (STREAM, 0, offset) for offset in range(3)
        ]

    async def test_keeps_every_byte(self, open_log: OpenLog) -> None:
        """Keys, values and headers come back as they were, whatever is in them."""
        log = await open_log()
        sent = [
            NewRecord(key="", value=b""),
            NewRecord(key="città/☎", value=bytes(range(256)), headers=(("ü", b"\x00\xff"), ("empty", b""))),
            NewRecord(key="care\x00less", value=b"\x00", headers=(("same", b"1"), ("same", b"2"))),
        ]
        await (await log.open_writer("test")).append(STREAM, 0, sent)
        records = await read_until(await log.open_reader(STREAM, {0: 0}), 3)
        assert [NewRecord(key=record.key, value=record.value, headers=record.headers) for record in records] == sent
        assert records[2].header("same") == "1"
        assert records[2].header("absent") is None

    async def test_tells_the_time_of_the_log(self, open_log: OpenLog) -> None:
        """The records of a batch have the time that its writer was told, and times never fall."""
        log = await open_log()
        writer = await log.open_writer("test")
        appended = [await writer.append(STREAM, 0, [a_record(f"{n}a"), a_record(f"{n}b")]) for n in range(5)]
        records = await read_until(await log.open_reader(STREAM, {0: 0}), 10)
        told = [batch.timestamp_ms for batch in appended for _ in range(2)]
        assert [record.timestamp_ms for record in records] == told == sorted(told)
        assert told[0] > 0

    async def test_goes_on_from_where_the_last_poll_ended(self, open_log: OpenLog) -> None:
        """A poll gives at most `max_records`, may end inside a batch, and the next one goes on there."""
        log = await open_log()
        writer = await log.open_writer("test")
        await writer.append(STREAM, 0, [a_record(str(n)) for n in range(7)])
        reader = await log.open_reader(STREAM, {0: 0})
        first = await read_until(reader, 1, max_records=3)
        assert len(first) <= 3
        assert reader.position(0) == len(first)
        rest = await read_until(reader, 7 - len(first), max_records=3)
        assert texts([*first, *rest]) == [str(n) for n in range(7)]
        assert reader.position(0) == 7
        assert await reader.poll() == []

    async def test_reads_several_partitions_each_in_order(self, open_log: OpenLog) -> None:
        """One reader, all partitions, each from its own offset."""
        log = await open_log()
        writer = await log.open_writer("test")
        for number in range(20):
            for partition in range(3):
                await writer.append(STREAM, partition, [a_record(str(number))])
        reader = await log.open_reader(STREAM, {0: 0, 1: 5, 2: 20})
        records = await read_until(reader, 35, max_records=6)
        for partition, start in ((0, 0), (1, 5)):
            assert [record.offset for record in records if record.partition == partition] == list(range(start, 20))
        assert [record for record in records if record.partition == 2] == []

    async def test_gives_the_same_records_again_from_a_stored_position(self, open_log: OpenLog) -> None:
        """A reader that comes back with the position it kept sees what it had not dealt with, once more and in order."""
        log = await open_log()
        await (await log.open_writer("test")).append(STREAM, 0, [a_record(str(n)) for n in range(10)])
        reader = await log.open_reader(STREAM, {0: 0})
        records = await read_until(reader, 10)
        await reader.close()
        again = await read_until(await (await open_log()).open_reader(STREAM, {0: 4}), 6)
        assert again == records[4:]

    async def test_seeks_back_and_forth(self, open_log: OpenLog) -> None:
        """`seek` sets the position, whatever was read ahead."""
        log = await open_log()
        await (await log.open_writer("test")).append(STREAM, 0, [a_record(str(n)) for n in range(10)])
        reader = await log.open_reader(STREAM, {0: 8})
        assert texts(await read_until(reader, 2)) == ["8", "9"]
        await reader.seek(0, 3)
        assert reader.position(0) == 3
        assert texts(await read_until(reader, 1, max_records=1)) == ["3"]
        await reader.seek(0, 9)
        assert texts(await read_until(reader, 1)) == ["9"]

    async def test_wakes_a_waiting_poll(self, open_log: OpenLog) -> None:
        """A poll that waits for a minute returns with the append, on the same view of the log and on another one."""
        log, elsewhere = await open_log(), await open_log()
        polls = [
            asyncio.ensure_future((await view.open_reader(STREAM, {0: 0, 1: 0})).poll(wait_ms=60_000))
            for view in (log, elsewhere)
        ]
        await asyncio.sleep(0)
        await (await log.open_writer("test")).append(STREAM, 1, [a_record("news")])
        async with asyncio.timeout(PATIENCE_S):
            for poll in polls:
                assert texts(await poll) == ["news"]

    async def test_loses_nothing_in_a_poll_that_is_cancelled(self, open_log: OpenLog) -> None:
        """Who gives up waiting has read nothing."""
        log = await open_log()
        writer = await log.open_writer("test")
        reader = await log.open_reader(STREAM, {0: 0, 1: 0})
        waiting = asyncio.ensure_future(reader.poll(wait_ms=60_000))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await writer.append(STREAM, 0, [a_record("a")])
        await writer.append(STREAM, 1, [a_record("b")])
        for _ in range(3):
            hasty = asyncio.ensure_future(reader.poll(wait_ms=60_000))
            await asyncio.sleep(0)
            hasty.cancel()
            await asyncio.wait([hasty])
            if not hasty.cancelled():
                await reader.seek(0, 0)
                await reader.seek(1, 0)
        assert sorted(texts(await read_until(reader, 2))) == ["a", "b"]

    async def test_refuses_a_batch_that_is_too_large(self, open_log: OpenLog) -> None:
        """Nothing of it is written, and the writer goes on."""
        log = await open_log()
        writer = await log.open_writer("test")
        with pytest.raises(BatchTooLargeError):
            await writer.append(STREAM, 0, [a_record("small"), a_record("x" * BATCH_BYTES_MAX)])
        assert (await writer.append(STREAM, 0, [a_record("next")])).first_offset == 0

    async def test_takes_the_largest_batch_whole(self, open_log: OpenLog) -> None:
        """What the common bound lets through the log takes, even where nothing compresses."""
        log = await open_log()
        room = BATCH_BYTES_MAX - batch_bytes([NewRecord(key="k", value=b"")])
        record = NewRecord(key="k", value=os.urandom(room))
        appended = await (await log.open_writer("test")).append(STREAM, 0, [record])
        assert appended.last_offset == 0
        assert (await read_until(await log.open_reader(STREAM, {0: 0}), 1))[0].value == record.value

    async def test_refuses_work_after_close(self, open_log: OpenLog) -> None:
        """What is closed says so."""
        log = await open_log()
        writer = await log.open_writer("test")
        reader = await log.open_reader(STREAM, {0: 0})
        waiting = asyncio.ensure_future(reader.poll(wait_ms=60_000))
        await asyncio.sleep(0)
        await writer.close()
        with pytest.raises(LogClosedError):
            await writer.append(STREAM, 0, [a_record("late")])
        await reader.close()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(LogClosedError):
                await waiting
            with pytest.raises(LogClosedError):
                await reader.poll()

    async def test_keeps_the_order_of_concurrent_appends(self, open_log: OpenLog) -> None:
        """Batches of one writer land in the order of the calls, each in one piece, also when nobody waits in between."""
        log = await open_log()
        writer = await log.open_writer("test")
        batches = [[a_record(f"{number}.{index}") for index in range(1 + number % 4)] for number in range(60)]
        appended = await asyncio.gather(*(writer.append(STREAM, 0, batch) for batch in batches))
        expected = [record.value.decode() for batch in batches for record in batch]
        records = await read_until(await log.open_reader(STREAM, {0: 0}), len(expected))
        assert texts(records) == expected
        offset = 0
        for batch, where in zip(batches, appended, strict=True):
            assert (where.first_offset, where.last_offset) == (offset, offset + len(batch) - 1)
            offset += len(batch)

    async def test_never_mixes_batches_of_several_writers(self, open_log: OpenLog) -> None:
        """Whoever writes at the same time: every batch stands in one piece."""
        logs = [await open_log(), await open_log()]
        writers = [await log.open_writer(f"w{index}") for index, log in enumerate(logs)]

        async def write(name: int, writer: Writer) -> None:
            for number in range(20):
                await writer.append(STREAM, 0, [a_record(f"{name}.{number}.{index}") for index in range(3)])

        await asyncio.gather(*(write(name, writer) for name, writer in enumerate(writers)))
        found = texts(await read_until(await logs[0].open_reader(STREAM, {0: 0}), 120))
        for start in range(0, 120, 3):
            batch = found[start].rsplit(".", 1)[0]
            assert found[start : start + 3] == [f"{batch}.{index}" for index in range(3)]
        for name in range(2):
            numbers = [int(text.split(".")[1]) for text in found if text.startswith(f"{name}.")]
            assert numbers == sorted(numbers)

    async def test_counts_nothing_that_a_deposed_writer_writes(self, open_log: OpenLog) -> None:
        """Two routers think that the partition is theirs: from the second one's start on, the first one's batches are skipped."""
        log, elsewhere = await open_log(), await open_log()
        old, new = await log.open_writer("old"), await elsewhere.open_writer("new")
        stream = streams.ROUTING_EVENTS
        old_term = (await old.append(stream, 0, [_started("old")])).first_offset
        await old.append(stream, 0, [_fact("old-1", old_term)])
        new_term = (await new.append(stream, 0, [_started("new")])).first_offset
        await old.append(stream, 0, [_fact("late-1", old_term), _fact("late-2", old_term)])
        await new.append(stream, 0, [_fact("new-1", new_term)])
        await old.append(stream, 0, [_fact("late-3", old_term)])
        records = await read_until(await log.open_reader(stream, {0: 0}), 7)
        terms: list[int | None] = []  # The term after each record, as a reader stores it with its position.
        fence = Fence(None)
        admitted = []
        for record in records:
            if fence.admit(record):
                admitted.append(record.header("ce_id"))
            terms.append(fence.term)
        assert admitted == ["start-old", "old-1", "start-new", "new-1"]
        for start in range(1, 7):
            resumed = Fence(terms[start - 1])
            counted = [record.header("ce_id") for record in records[start:] if resumed.admit(record)]
            assert counted == [name for name in admitted if name in {r.header("ce_id") for r in records[start:]}]

    async def test_shares_partitions_between_two_members(self, open_log: OpenLog) -> None:
        """Both get a fair part, nobody has one that the other has, and who stays gets what who leaves had."""
        log, elsewhere = await open_log(), await open_log()
        holders: dict[int, GroupMember] = {}
        first = await GroupMember(holders).join(log, "group")
        await first.holds(4)
        second = await GroupMember(holders).join(elsewhere, "group")
        await asyncio.gather(first.holds(2), second.holds(2))
        await first.leave()
        assert first.held == set()
        assert first.calls[-1][0] == "revoked"
        await second.holds(4)
        await second.leave()
        assert holders == {}

    async def test_keeps_groups_apart(self, open_log: OpenLog) -> None:
        """Another group has all partitions for itself."""
        log = await open_log()
        one = await GroupMember({}).join(log, "one")
        two = await GroupMember({}).join(log, "two")
        await asyncio.gather(one.holds(4), two.holds(4))
        await one.leave()
        await two.leave()

    async def test_revokes_when_the_log_is_closed(self, open_log: OpenLog) -> None:
        """Closing the log leaves every group by the path of a revocation."""
        log = await open_log()
        member = await GroupMember({}).join(log, "group")
        await member.holds(4)
        async with asyncio.timeout(PATIENCE_S):
            await log.close()
        assert member.held == set()

    async def test_knows_begin_and_end(self, open_log: OpenLog) -> None:
        """Both are zero at first; the end moves with the appends."""
        log = await open_log()
        assert (await log.begin_offset(STREAM, 0), await log.end_offset(STREAM, 0)) == (0, 0)
        await (await log.open_writer("test")).append(STREAM, 0, [a_record("a"), a_record("b")])
        assert (await log.begin_offset(STREAM, 0), await log.end_offset(STREAM, 0)) == (0, 2)
        assert await (await open_log()).end_offset(STREAM, 0) == 2

    async def test_says_when_an_offset_is_out_of_range(self, open_log: OpenLog) -> None:
        """A position that the log never reached belongs to another log; going on would skip records in silence."""
        log = await open_log()
        await (await log.open_writer("test")).append(STREAM, 0, [a_record("a")])
        reader = await log.open_reader(STREAM, {0: 5})
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(OffsetOutOfRangeError):
                await read_until(reader, 1)

    async def test_keeps_the_newest_record_of_each_key(self, open_log: OpenLog) -> None:
        """A compacted stream may drop older records of a key, and never the newest."""
        log = await open_log()
        writer = await log.open_writer("test")
        stream = streams.ROUTING_SNAPSHOTS
        for number in range(10):
            await writer.append(stream, 0, [a_record(f"{key}{number}", key=key) for key in "abc"])
        await writer.append(stream, 0, [a_record("last", key="a")])
        reader = await log.open_reader(stream, {0: await log.begin_offset(stream, 0)})
        end = await log.end_offset(stream, 0)
        assert end == 31
        newest: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_S):
            while reader.position(0) < end:
                newest |= {record.key: record.value.decode() for record in await reader.poll(wait_ms=1_000)}
        assert newest == {"a": "last", "b": "b9", "c": "c9"}

    async def test_trims_nothing_that_is_younger_than_the_retention(self, open_log: OpenLog) -> None:
        """`trim` allows records to go; the retention decides."""
        log = await open_log()
        await (await log.open_writer("test")).append(STREAM, 0, [a_record(str(n)) for n in range(10)])
        await log.trim(STREAM, 0, 10)
        assert await log.begin_offset(STREAM, 0) == 0
        assert len(await read_until(await log.open_reader(STREAM, {0: 0}), 10)) == 10

    async def test_lets_go_of_what_is_trimmed_and_old(self, open_log: OpenLog, pass_days: PassDays) -> None:
        """Older than the retention and before the offset: both, or a record stays. A reader behind the begin is told."""
        log = await open_log()
        writer = await log.open_writer("test")
        await writer.append(STREAM, 0, [a_record(f"old{n}") for n in range(10)])
        pass_days(15)
        await writer.append(STREAM, 0, [a_record("young")])
        await log.trim(STREAM, 0, 4)
        assert await log.begin_offset(STREAM, 0) == 4
        await log.trim(STREAM, 0, 11)
        assert (await log.begin_offset(STREAM, 0), await log.end_offset(STREAM, 0)) == (10, 11)
        assert texts(await read_until(await log.open_reader(STREAM, {0: 10}), 1)) == ["young"]
        late = await log.open_reader(STREAM, {0: 9})
        with pytest.raises(OffsetOutOfRangeError, match="begins at 10"):
            await read_until(late, 1)
        await late.seek(0, 10)
        assert texts(await read_until(late, 1)) == ["young"]

    async def test_never_trims_a_compacted_stream(self, open_log: OpenLog) -> None:
        """The newest snapshot stays however old it is."""
        log = await open_log()
        await (await log.open_writer("test")).append(streams.ROUTING_SNAPSHOTS, 0, [a_record("snapshot")])
        await log.trim(streams.ROUTING_SNAPSHOTS, 0, 1)
        reader = await log.open_reader(streams.ROUTING_SNAPSHOTS, {0: 0})
        assert texts(await read_until(reader, 1)) == ["snapshot"]

    async def test_is_there_again_after_it_was_closed(self, open_log: OpenLog) -> None:
        """What was appended outlives the process that appended it."""
        log = await open_log()
        await (await log.open_writer("test")).append(STREAM, 0, [a_record("kept")])
        await log.close()
        again = await open_log()
        assert texts(await read_until(await again.open_reader(STREAM, {0: 0}), 1)) == ["kept"]
        assert (await (await again.open_writer("test")).append(STREAM, 0, [a_record("next")])).first_offset == 1

    async def test_can_be_connected_and_closed_more_than_once(self, open_log: OpenLog) -> None:
        """Several services share one log in one process, and each connects and closes it."""
        log = await open_log()
        await asyncio.gather(log.connect(), log.connect())
        await log.close()
        await log.close()
        with pytest.raises(LogClosedError):
            await log.open_writer("late")


def check_whole_batches(found: Sequence[str], confirmed: Sequence[str], size: int) -> None:
    """What every log holds after a crash, whoever wrote when it came.

    `found` are the values of one partition as `batch.index`, in order; `confirmed` are the batches whose writers were told that they
    are durable, each of `size` records. Every batch is whole and stands in one piece, once, and nothing that was confirmed is missing.
    """
    batches = [text.rsplit(".", 1)[0] for text in found]
    names = batches[::size]
    assert len(set(names)) == len(names), "a batch is there twice"
    assert found == [f"{name}.{index}" for name in names for index in range(size)], "a batch is torn"
    missing = set(confirmed) - set(names)
    assert not missing, f"confirmed batches are missing: {sorted(missing)[:5]}"


def _started(writer: str) -> NewRecord:
    return _event(WriterStarted(writer_id=writer), f"start-{writer}", None)


def _fact(name: str, term: int) -> NewRecord:
    return _event(PresenceChanged(pool="care", at_ms=0, agent_id=name, status="available"), name, term)


def _event(event: Any, name: str, term: int | None) -> NewRecord:
    return encode_record(
        event, key="care", event_id=name, source="test", time_ms=0, correlation_id="", term=term, input_offset=0
    )
