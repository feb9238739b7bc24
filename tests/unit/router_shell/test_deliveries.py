"""One batch under way and the next one filled meanwhile: what is sent when, and what a failure leaves."""

from __future__ import annotations

import asyncio

import pytest

from libs.common.clock import VirtualClock
from libs.common.events.routing import ContactQueued
from libs.common.log.memory import MemoryLog
from libs.common.log.streams import ROUTING_EVENTS
from libs.common.testing.builders import START_MS, a_contact_received
from services.router.core.snapshot import state_equal
from services.router.recovery import recover
from services.router.slices import run_in_slices
from services.router.snapshot import read_snapshots
from tests.support.routing import Desk, a_settings, of_type, working
from tests.support.waiting import eventually


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START_MS)


@pytest.fixture
def log(clock: VirtualClock) -> MemoryLog:
    return MemoryLog(1, clock)


async def test_the_next_inputs_are_decided_while_a_batch_is_under_way_and_wait_for_it(
    log: MemoryLog, clock: VirtualClock
) -> None:
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        before = await log.end_offset(ROUTING_EVENTS, 0)
        # given: a batch that takes long
        held = log.faults.hold_next_append(stream=ROUTING_EVENTS)
        first = await desk.give(a_contact_received(1))
        await held.arrived.wait()
        # when
        second = await desk.give(a_contact_received(2))

        async def is_decided() -> bool:
            assert worker.tenure is not None
            return worker.tenure.next_input > second.last_offset

        await eventually(is_decided)
        # then: the second is decided, and nothing of it has left
        assert worker.tenure is not None
        assert worker.tenure.appended_input == first.first_offset
        assert await log.end_offset(ROUTING_EVENTS, 0) == before
        # and both are there in order once the first has arrived
        held.release()
        await desk.decided(worker)
    queued = of_type(await desk.facts(), ContactQueued)
    assert [fact.contact_id for fact in queued] == [a_contact_received(n).contact_id for n in (1, 2)]


async def test_a_lost_batch_takes_what_was_decided_after_it_along(log: MemoryLog, clock: VirtualClock) -> None:
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        tenure = worker.tenure
        held = log.faults.hold_next_append(stream=ROUTING_EVENTS)
        await desk.give(a_contact_received(1))
        await held.arrived.wait()
        second = await desk.give(a_contact_received(2))

        async def is_decided() -> bool:
            return tenure is not None and tenure.next_input > second.last_offset

        await eventually(is_decided)
        # when
        held.lose()

        async def begins_anew() -> bool:
            clock.advance_ms(100)
            return worker.tenure is not None and worker.tenure is not tenure

        await eventually(begins_anew)
        await desk.decided(worker)
        state = worker.tenure.state.pools["care"]  # type: ignore[union-attr]  # it has begun anew
    # then: a new tenure decided both, once each
    queued = of_type(await desk.facts(), ContactQueued)
    assert [fact.contact_id for fact in queued] == [a_contact_received(n).contact_id for n in (1, 2)]
    recovered = await recover(
        log, partition=0, configured=("care",), before_offset=await log.end_offset(ROUTING_EVENTS, 0)
    )
    assert state_equal(recovered.state.pools["care"], state)


async def test_a_snapshot_holds_nothing_that_is_still_under_way(log: MemoryLog, clock: VirtualClock) -> None:
    desk = Desk(log, clock, settings=a_settings(router_snapshot_records=1))
    async with working(desk) as worker:
        await desk.decided(worker)

        async def are_there(count: int) -> bool:
            return len(desk.notes.snapshots) == count

        await eventually(lambda: are_there(1))
        # given: a batch is under way when the next snapshot is due
        clock.advance_ms(11_000)
        held = log.faults.hold_next_append(stream=ROUTING_EVENTS)
        given = await desk.give(a_contact_received(1))
        await held.arrived.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        # then it waits for it
        assert await are_there(1)
        held.release()
        await eventually(lambda: are_there(2))
    (newest, *_) = (await read_snapshots(log, 0)).snapshots
    assert newest.manifest.next_input == given.last_offset + 1
    assert newest.manifest.next_output == await log.end_offset(ROUTING_EVENTS, 0)


async def test_others_have_their_turn_between_two_slices() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())

    def work():
        seen = []
        for _ in range(5):
            seen.append(turns)
            yield
        return seen

    seen, longest_s = await run_in_slices(work())
    task.cancel()
    assert seen == sorted(set(seen)), "between any two slices somebody else ran"
    assert longest_s > 0
