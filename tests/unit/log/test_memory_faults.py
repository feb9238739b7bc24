"""The memory log's faults, on which the simulation and the services' tests rely."""

import asyncio

import pytest

from libs.common.clock import VirtualClock
from libs.common.errors import LogClosedError, LogUnavailableError
from libs.common.log.memory import MemoryLog
from libs.common.log.port import NewRecord
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS


def a_record(text: str) -> NewRecord:
    return NewRecord(key="care", value=text.encode())


async def stored(log: MemoryLog, stream: str = ROUTING_INPUTS) -> list[str]:
    reader = await log.open_reader(stream, {0: 0})
    return [record.value.decode() for record in await reader.poll()]


@pytest.mark.parametrize(("written", "expected"), [(False, ["before"]), (True, ["before", "unlucky"])])
async def test_an_append_fails_before_or_after_it_is_written(written: bool, expected: list[str]) -> None:
    log = MemoryLog(clock=VirtualClock())
    writer = await log.open_writer("router")
    await writer.append(ROUTING_INPUTS, 0, [a_record("before")])
    log.faults.fail_next_append(written=written)
    with pytest.raises(LogUnavailableError):
        await writer.append(ROUTING_INPUTS, 0, [a_record("unlucky")])
    with pytest.raises(LogClosedError):
        await writer.append(ROUTING_INPUTS, 0, [a_record("after")])
    assert await stored(log) == expected


async def test_a_fault_hits_only_whom_it_names() -> None:
    log = MemoryLog(clock=VirtualClock())
    old, new = await log.open_writer("old"), await log.open_writer("new")
    log.faults.fail_next_append(written=False, writer="old", stream=ROUTING_EVENTS)
    await new.append(ROUTING_EVENTS, 0, [a_record("new")])
    await old.append(ROUTING_INPUTS, 0, [a_record("input")])
    with pytest.raises(LogUnavailableError):
        await old.append(ROUTING_EVENTS, 0, [a_record("event")])


async def test_a_late_batch_lands_after_its_writer_is_gone() -> None:
    """given a writer whose append hangs and that is then closed / when the batch comes through / then it is there, late."""
    log = MemoryLog(clock=VirtualClock())
    old, new = await log.open_writer("old"), await log.open_writer("new")
    held = log.faults.hold_next_append(writer="old")
    append = asyncio.ensure_future(old.append(ROUTING_INPUTS, 0, [a_record("late")]))
    await held.arrived.wait()
    append.cancel()
    await asyncio.wait([append])
    await old.close()
    await new.append(ROUTING_INPUTS, 0, [a_record("new")])
    held.release()
    assert await stored(log) == ["new", "late"]


async def test_a_held_append_can_be_lost() -> None:
    log = MemoryLog(clock=VirtualClock())
    writer = await log.open_writer("router")
    held = log.faults.hold_next_append()
    append = asyncio.ensure_future(writer.append(ROUTING_INPUTS, 0, [a_record("lost")]))
    await held.arrived.wait()
    held.lose()
    with pytest.raises(LogUnavailableError):
        await append
    assert await stored(log) == []


async def test_a_paused_reader_sees_everything_later() -> None:
    log = MemoryLog(clock=VirtualClock())
    writer = await log.open_writer("router")
    reader = await log.open_reader(ROUTING_INPUTS, {0: 0})
    log.faults.pause_readers(ROUTING_INPUTS)
    waiting = asyncio.ensure_future(reader.poll(wait_ms=60_000))
    await writer.append(ROUTING_INPUTS, 0, [a_record("a")])
    assert await reader.poll() == []
    log.faults.resume_readers(ROUTING_INPUTS)
    assert [record.value for record in await waiting] == [b"a"]


async def test_a_log_that_is_away_answers_nobody_until_it_is_back() -> None:
    log = MemoryLog(clock=VirtualClock())
    writer = await log.open_writer("router")
    reader = await log.open_reader(ROUTING_INPUTS, {0: 0})
    waiting = asyncio.ensure_future(reader.poll(wait_ms=60_000))
    await asyncio.sleep(0)
    log.faults.take_away()
    for call in (waiting, writer.append(ROUTING_INPUTS, 0, [a_record("x")]), log.end_offset(ROUTING_INPUTS, 0)):
        with pytest.raises(LogUnavailableError):
            await call
    log.faults.give_back()
    assert await stored(log) == []
    assert await reader.poll() == []


async def test_a_poll_waits_on_the_logs_clock() -> None:
    """given a virtual clock / when it moves past the wait / then the poll ends empty, and not before."""
    clock = VirtualClock()
    log = MemoryLog(clock=clock)
    reader = await log.open_reader(ROUTING_INPUTS, {0: 0})
    waiting = asyncio.ensure_future(reader.poll(wait_ms=1_000))
    for _ in range(5):
        await asyncio.sleep(0)
    clock.advance_ms(999)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    clock.advance_ms(1)
    assert await waiting == []
