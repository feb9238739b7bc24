"""The publisher on a memory log that is made to fail."""

import asyncio

import pytest

from libs.common.clock import VirtualClock
from libs.common.errors import BatchTooLargeError, LogUnavailableError
from libs.common.log.batch import BATCH_BYTES_MAX
from libs.common.log.memory import MemoryLog
from libs.common.log.port import NewRecord
from libs.common.log.publisher import Publisher
from libs.common.log.streams import DELIVERY_EVENTS, ROUTING_INPUTS, partition_of


def a_record(text: str = "x") -> NewRecord:
    return NewRecord(key="care", value=text.encode())


async def stored(log: MemoryLog, stream: str = ROUTING_INPUTS) -> list[str]:
    reader = await log.open_reader(stream, dict.fromkeys(range(log.partitions(stream)), 0))
    return [record.value.decode() for record in await reader.poll()]


async def test_picks_the_partition_by_the_key_unless_told() -> None:
    log = MemoryLog(clock=VirtualClock())
    publisher = Publisher(log, "ingest")
    await publisher.start()
    await publisher.wait_ready()
    await publisher.append(ROUTING_INPUTS, "care", [a_record(), a_record()])
    await publisher.append(ROUTING_INPUTS, "care", a_record(), partition=3)
    own = partition_of("care", 4)
    assert own != 3
    assert await log.end_offset(ROUTING_INPUTS, own) == 2
    assert await log.end_offset(ROUTING_INPUTS, 3) == 1
    await publisher.close()


async def test_refuses_before_it_is_ready_and_tells_why() -> None:
    log = MemoryLog(clock=VirtualClock())
    publisher = Publisher(log, "ingest")
    with pytest.raises(LogUnavailableError, match="not started"):
        await publisher.append(ROUTING_INPUTS, "care", a_record())
    assert not publisher.ready


@pytest.mark.parametrize("written", [False, True])
async def test_opens_another_writer_after_a_failure(written: bool) -> None:
    """given a publisher / when an append fails / then its caller hears of it, and later callers are served again."""
    log = MemoryLog(clock=VirtualClock())
    told: list[tuple[bool, str]] = []
    publisher = Publisher(log, "ingest", clock=VirtualClock(), on_ready=lambda ready, why: told.append((ready, why)))
    await publisher.start()
    await publisher.wait_ready()
    log.faults.fail_next_append(written=written)
    with pytest.raises(LogUnavailableError):
        await publisher.append(ROUTING_INPUTS, "care", a_record("unlucky"))
    assert not publisher.ready
    await publisher.wait_ready()
    await publisher.append(ROUTING_INPUTS, "care", a_record("lucky"))
    assert await stored(log) == (["unlucky", "lucky"] if written else ["lucky"])
    assert [ready for ready, _ in told] == [True, False, True]
    await publisher.close()


async def test_backs_off_while_the_log_is_away() -> None:
    """given a log that is away / when time passes / then it is tried again, and callers meanwhile fail at once."""
    clock = VirtualClock()
    log = MemoryLog(clock=clock)
    publisher = Publisher(log, "ingest", clock=clock)
    log.faults.take_away()
    await publisher.start()
    for step_ms in (100, 200, 400):
        await _turns()
        with pytest.raises(LogUnavailableError, match="taken away"):
            await publisher.append(ROUTING_INPUTS, "care", a_record())
        clock.advance_ms(step_ms)
    log.faults.give_back()
    await _turns()
    assert publisher.ready
    await publisher.close()


async def test_sheds_load_instead_of_queueing_without_end() -> None:
    """given as many appends under way as are allowed / when another comes / then it fails at once and harms none."""
    log = MemoryLog(clock=VirtualClock())
    publisher = Publisher(log, "ingest", in_flight_max=2)
    await publisher.start()
    await publisher.wait_ready()
    held = [log.faults.hold_next_append(), log.faults.hold_next_append()]
    waiting = [asyncio.ensure_future(publisher.append(ROUTING_INPUTS, "care", a_record(str(n)))) for n in range(2)]
    for one in held:
        await one.arrived.wait()
    with pytest.raises(LogUnavailableError, match="2 appends are under way"):
        await publisher.append(ROUTING_INPUTS, "care", a_record())
    assert publisher.ready
    for one in held:
        one.release()
    await asyncio.gather(*waiting)
    assert publisher.in_flight == 0
    assert await stored(log) == ["0", "1"]
    await publisher.close()


async def test_takes_another_writer_when_nothing_moves() -> None:
    """given an append that hangs / when nothing ends for a while / then new callers get another writer, the old one its outcome."""
    log = MemoryLog(clock=VirtualClock())
    lost = asyncio.Event()
    publisher = Publisher(log, "ingest", stall_s=0.02, on_ready=lambda ready, why: None if ready else lost.set())
    await publisher.start()
    await publisher.wait_ready()
    held = log.faults.hold_next_append()
    hanging = asyncio.ensure_future(publisher.append(ROUTING_INPUTS, "care", a_record("slow")))
    await asyncio.wait_for(lost.wait(), 30)
    await publisher.wait_ready()
    await publisher.append(ROUTING_INPUTS, "care", a_record("quick"))
    held.release()
    await hanging
    assert await stored(log) == ["quick", "slow"]
    await publisher.close()


async def test_bounds_the_bytes_under_way() -> None:
    log = MemoryLog(clock=VirtualClock())
    publisher = Publisher(log, "ingest", in_flight_bytes_max=1_000)
    await publisher.start()
    await publisher.wait_ready()
    with pytest.raises(LogUnavailableError, match="under way"):
        await publisher.append(ROUTING_INPUTS, "care", a_record("x" * 1_000))
    await publisher.append(ROUTING_INPUTS, "care", a_record("x" * 100))
    await publisher.close()


async def test_stays_ready_when_a_batch_is_too_large() -> None:
    log = MemoryLog(clock=VirtualClock())
    publisher = Publisher(log, "ingest")
    await publisher.start()
    await publisher.wait_ready()
    with pytest.raises(BatchTooLargeError):
        await publisher.append(DELIVERY_EVENTS, "thread", a_record("x" * BATCH_BYTES_MAX))
    assert publisher.ready
    await publisher.close()


async def test_an_append_outlives_its_caller() -> None:
    """given a caller that is cancelled / when its append is released / then it lands, and its place is free again."""
    log = MemoryLog(clock=VirtualClock())
    publisher = Publisher(log, "ingest")
    await publisher.start()
    await publisher.wait_ready()
    held = log.faults.hold_next_append()
    caller = asyncio.ensure_future(publisher.append(ROUTING_INPUTS, "care", a_record("late")))
    await held.arrived.wait()
    caller.cancel()
    await asyncio.wait([caller])
    held.release()
    assert await stored(log) == ["late"]
    assert publisher.in_flight == 0
    assert publisher.ready
    await publisher.close()


async def _turns() -> None:
    """Let everything run that can run without the clock moving."""
    for _ in range(10):
        await asyncio.sleep(0)
