"""The Kafka log while its broker is killed, frozen or not there: nothing confirmed is lost, nothing is torn, nothing hangs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from libs.common.errors import LogUnavailableError
from libs.common.log.kafka import KafkaLog
from libs.common.log.kafka_connection import KafkaConnection
from libs.common.log.kafka_producer import KafkaWriter
from libs.common.log.port import Reader, Record
from libs.common.log.publisher import Publisher
from libs.common.testing.contract import STREAM, GroupMember, a_record, check_whole_batches, texts
from tests.parts.kafka import KafkaBroker
from tests.support.ports import free_port
from tests.support.waiting import eventually

BATCH = 7
NO_HANG_S = 60  # Far above every limit that the adapter sets itself; below it, nothing is asserted about time.


@pytest.fixture
async def log(fragile_connection: KafkaConnection) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(fragile_connection, session_timeout_ms=3_000)
    # The broker may just have come back from what the test before did to it.
    await eventually(lambda: _connected(log), 60)
    yield log
    async with asyncio.timeout(NO_HANG_S):
        await log.close()


async def _connected(log: KafkaLog) -> bool:
    try:
        await log.connect()
    except LogUnavailableError:
        return False
    return True


async def read_all(reader: Reader, count: int) -> list[Record]:
    """The next `count` records, whatever outages come in between."""
    records: list[Record] = []
    async with asyncio.timeout(NO_HANG_S):
        while len(records) < count:
            with contextlib.suppress(LogUnavailableError):
                records += await reader.poll(wait_ms=500)
    return records


async def freeze(broker: KafkaBroker, log: KafkaLog) -> None:
    """Pause the broker and wait until it is silent: a signal takes a moment to reach every thread of it."""
    await asyncio.to_thread(broker.pause)

    async def silent() -> bool:
        try:
            async with asyncio.timeout(1):
                await log.end_offset(STREAM, 0)
        except TimeoutError:
            return True
        return False

    await eventually(silent)


async def poll_until_something_comes(reader: Reader) -> list[Record]:
    records: list[Record] = []
    while not records:
        records = await reader.poll(wait_ms=1_000)
    return records


async def open_writer(log: KafkaLog) -> KafkaWriter | None:
    with contextlib.suppress(LogUnavailableError):
        return await log.open_writer("again")
    return None


async def test_holds_whole_batches_after_kill_9_of_the_broker(log: KafkaLog, fragile_broker: KafkaBroker) -> None:
    """given writers in the middle of appends and a reader / when the broker is killed and comes back
    / then they go on by themselves, no batch is torn or there twice and none confirmed is missing.
    """
    confirmed: list[str] = []
    stop = asyncio.Event()

    async def write(name: str) -> None:
        writer = await log.open_writer(name)
        number = 0
        while not stop.is_set():
            batch = f"{name}-{number}"
            number += 1
            try:
                await writer.append(STREAM, 0, [a_record(f"{batch}.{index}") for index in range(BATCH)])
            except LogUnavailableError:
                await writer.close()
                writer = await log.open_writer(name)
            else:
                confirmed.append(batch)

    reader = await log.open_reader(STREAM, {0: 0})
    writers = asyncio.gather(*(write(name) for name in "abc"))
    await eventually(lambda: len(confirmed) > 100)
    await asyncio.to_thread(fragile_broker.kill)
    await asyncio.to_thread(fragile_broker.start)
    before = len(confirmed)
    await eventually(lambda: len(confirmed) > before + 100, timeout_s=NO_HANG_S)
    stop.set()
    await writers
    end = await log.end_offset(STREAM, 0)
    check_whole_batches(texts(await read_all(reader, end)), confirmed, BATCH)


async def test_a_frozen_broker_is_an_outage_and_not_a_hang(log: KafkaLog, fragile_broker: KafkaBroker) -> None:
    """given a reader, a writer and a claim / when the broker is frozen / then calls fail in time, and all goes on after it thaws."""
    writer = await log.open_writer("test")
    reader = await log.open_reader(STREAM, {0: 0, 1: 0})
    member = await GroupMember({}).join(log, "group")
    await member.holds(4)
    await writer.append(STREAM, 0, [a_record("before")])
    assert texts(await read_all(reader, 1)) == ["before"]
    try:
        await freeze(fragile_broker, log)
        async with asyncio.timeout(NO_HANG_S):
            outcomes = await asyncio.gather(
                log.open_writer("another"),
                log.open_reader(STREAM, {0: 0}),
                log.end_offset(STREAM, 0),
                poll_until_something_comes(reader),
                member.leave(),
                writer.close(),
                return_exceptions=True,
            )
        assert [type(outcome) for outcome in outcomes] == [LogUnavailableError] * 4 + [type(None)] * 2
    finally:
        await asyncio.to_thread(fragile_broker.resume)
    assert reader.position(0) == 1
    again = await eventually(lambda: open_writer(log), timeout_s=NO_HANG_S)
    assert again is not None
    await again.append(STREAM, 0, [a_record("after")])
    assert texts(await read_all(reader, 1)) == ["after"]


async def test_an_append_ends_when_its_writer_is_closed_while_the_broker_is_frozen(
    log: KafkaLog, fragile_broker: KafkaBroker
) -> None:
    """given an append on its way to a frozen broker / when the writer is closed / then its caller hears that the outcome is unknown."""
    writer = await log.open_writer("test")
    await writer.append(STREAM, 2, [a_record("before")])
    try:
        await freeze(fragile_broker, log)
        async with asyncio.timeout(NO_HANG_S):
            under_way = asyncio.ensure_future(writer.append(STREAM, 2, [a_record("unknown")]))
            queued = asyncio.ensure_future(writer.append(STREAM, 2, [a_record("never sent")]))
            await asyncio.sleep(0)
            await writer.close()
            for append in (under_way, queued):
                with pytest.raises(LogUnavailableError):
                    await append
    finally:
        await asyncio.to_thread(fragile_broker.resume)


async def test_nothing_hangs_without_a_broker() -> None:
    """given an address where nobody listens / when the log is connected / then it fails as an outage, and can be closed."""
    log = KafkaLog(KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}"))
    async with asyncio.timeout(NO_HANG_S):
        with pytest.raises(LogUnavailableError):
            await log.connect()
        with pytest.raises(LogUnavailableError, match="not connected"):
            await log.open_writer("test")
        await log.close()


async def test_members_share_again_after_the_broker_was_killed(log: KafkaLog, fragile_broker: KafkaBroker) -> None:
    """given two members / when the broker is killed and comes back / then both have their share, and one takes over from the other."""
    holders: dict[int, GroupMember] = {}
    first, second = GroupMember(holders), GroupMember(holders)
    await first.join(log, "group")
    await second.join(log, "group")
    await asyncio.gather(first.holds(2), second.holds(2))
    await asyncio.to_thread(fragile_broker.kill)
    await asyncio.to_thread(fragile_broker.start)
    await asyncio.gather(first.holds(2), second.holds(2))
    await first.leave()
    await second.holds(4)
    await second.leave()


async def test_a_publisher_comes_back_with_the_broker(log: KafkaLog, fragile_broker: KafkaBroker) -> None:
    """given a publisher / when the broker is restarted / then appends succeed again without anybody's help."""
    publisher = Publisher(log, "ingest")
    await publisher.start()
    await publisher.wait_ready()
    await publisher.append(STREAM, "care", a_record("before"))
    await asyncio.to_thread(fragile_broker.restart)

    async def appended() -> bool:
        with contextlib.suppress(LogUnavailableError):
            await publisher.append(STREAM, "care", a_record("after"))
            return True
        return False

    await eventually(appended, timeout_s=NO_HANG_S)
    await publisher.close()
