"""The runner: partitions come and go, and each is let go of by one path."""

from __future__ import annotations

import asyncio

import pytest

from libs.common.clock import VirtualClock
from libs.common.http.health import Health
from libs.common.log.memory import MemoryLog
from libs.common.log.streams import ROUTING_EVENTS
from libs.common.metrics import Metrics
from libs.common.testing.builders import START_MS, a_contact_received, a_set_presence
from services.router.recovery import RecoveryImpossibleError
from services.router.runner import CLAIM, LOG, Runner
from tests.support.routing import DeadLetterBox, Desk, a_configuration, a_settings, end, working
from tests.support.waiting import eventually


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START_MS)


@pytest.fixture
def log(clock: VirtualClock) -> MemoryLog:
    return MemoryLog(1, clock)


def a_runner(log: MemoryLog, clock: VirtualClock) -> tuple[Runner, Health]:
    health = Health(LOG, CLAIM)
    runner = Runner(
        log,
        a_configuration(),
        a_settings(),
        clock=clock,
        health=health,
        metrics=Metrics(),
        dead_letters=DeadLetterBox(),
    )
    return runner, health


async def test_it_is_ready_when_its_partitions_are_live_and_leaves_in_order(
    log: MemoryLog, clock: VirtualClock
) -> None:
    runner, health = a_runner(log, clock)
    assert not health.ready
    task = asyncio.create_task(runner.run())
    await eventually(lambda: health.ready)
    assert [part.name for part in health.check()] == [LOG, CLAIM, "partition 0"]
    await end(task)
    assert not runner.workers
    assert [part.name for part in health.check()] == [LOG, CLAIM]


async def test_it_waits_for_a_log_that_is_away(log: MemoryLog, clock: VirtualClock) -> None:
    log.faults.take_away()
    runner, health = a_runner(log, clock)
    task = asyncio.create_task(runner.run())
    await eventually(lambda: "taken away" in health.check()[0].detail)
    log.faults.give_back()
    clock.advance_ms(2_000)
    await eventually(lambda: health.ready)
    await end(task)


async def test_what_cannot_be_gone_on_with_ends_it(clock: VirtualClock) -> None:
    """A state that the log no longer tells is not made up."""
    log = MemoryLog(1, clock, retention_days=0)
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
    clock.advance_ms(1)
    await log.trim(ROUTING_EVENTS, 0, 1)
    runner, _ = a_runner(log, clock)
    with pytest.raises(RecoveryImpossibleError):
        await asyncio.wait_for(runner.run(), 10)


async def test_a_worker_that_is_deposed_tries_again_later_while_the_partition_is_its(
    log: MemoryLog, clock: VirtualClock
) -> None:
    # given
    runner, health = a_runner(log, clock)
    task = asyncio.create_task(runner.run())
    await eventually(lambda: health.ready)
    desk = Desk(log, clock)
    async with working(desk) as other:
        await desk.decided(other)
        # when
        await desk.give(a_set_presence("anna"))
        await eventually(lambda: not health.ready and not runner.workers)
        assert "deposed" in health.check()[-1].detail
    # then
    clock.advance_ms(1_000)
    await eventually(lambda: health.ready)
    await end(task)


async def test_a_worker_that_is_deposed_while_it_lets_go_does_not_come_back(
    log: MemoryLog, clock: VirtualClock
) -> None:
    """The partition's new owner is quicker than the batch that the old one still has under way."""
    # given
    runner, health = a_runner(log, clock)
    task = asyncio.create_task(runner.run())
    await eventually(lambda: health.ready)
    desk = Desk(log, clock)
    await eventually(lambda: _configured(desk))
    late = log.faults.hold_next_append(stream=ROUTING_EVENTS)
    await desk.give(a_contact_received())
    await late.arrived.wait()
    async with working(desk) as other:
        await desk.decided(other)
        # when
        task.cancel()
        await asyncio.sleep(0)
        late.release()
        # then
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()
        assert not runner.workers


async def _configured(desk: Desk) -> bool:
    return bool(await desk.facts())
