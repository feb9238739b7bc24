"""Snapshots: written beside the worker, read back whole or not at all, and never wrong whoever wrote them."""

from __future__ import annotations

import asyncio

import pytest

from libs.common.clock import VirtualClock
from libs.common.events.routing import OfferMade
from libs.common.log.memory import MemoryLog
from libs.common.log.port import NewRecord
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS, ROUTING_SNAPSHOTS
from libs.common.testing.builders import START_MS, a_contact_received, a_set_presence
from services.router.core.snapshot import freeze, state_equal
from services.router.deliveries import DeposedError
from services.router.recovery import Recovered, RecoveryImpossibleError, recover
from services.router.settings import RouterSettings
from services.router.snapshot import FrozenState, SnapshotContestedError, read_snapshots, write_snapshot
from tests.support.routing import Desk, a_settings, of_type, read_all, working
from tests.support.waiting import eventually

OFTEN = a_settings(router_snapshot_records=1, router_snapshot_chunk_bytes=1024)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START_MS)


@pytest.fixture
def log(clock: VirtualClock) -> MemoryLog:
    return MemoryLog(1, clock)


async def recovered(log: MemoryLog) -> Recovered:
    return await recover(log, partition=0, configured=["care"], before_offset=await log.end_offset(ROUTING_EVENTS, 0))


async def frozen(log: MemoryLog, *, term: int = 0) -> FrozenState:
    """The state of the log's end, ready to be written."""
    now = await recovered(log)
    return FrozenState(
        term=term,
        next_output=now.next_output,
        next_input=now.next_input,
        taken_ms=START_MS,
        pools=tuple((pool, freeze(state)) for pool, state in now.state.pools.items()),
    )


async def write(log: MemoryLog, state: FrozenState, generation: int) -> None:
    await write_snapshot(
        log,
        state,
        partition=0,
        generation=generation,
        expected_offset=await log.end_offset(ROUTING_SNAPSHOTS, 0),
        chunk_bytes=1024,
    )


async def a_history(
    log: MemoryLog, clock: VirtualClock, first: int = 1, settings: RouterSettings | None = None
) -> Desk:
    """A desk whose worker has decided twenty messages and stopped."""
    desk = Desk(log, clock, settings=settings)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna"), *(a_contact_received(n) for n in range(first, first + 20)))
        await desk.decided(worker)
    return desk


async def test_a_worker_recovers_from_its_snapshot_and_what_came_after(log: MemoryLog, clock: VirtualClock) -> None:
    # given: a snapshot of an early state, and more after it
    await a_history(log, clock)
    await write(log, await frozen(log), 0)
    await a_history(log, clock, first=21)
    # when
    with_snapshot = await recovered(log)
    assert with_snapshot.folded < 80
    # then: the same as from the beginning
    await spoil(log, "0/0/manifest", b"{}")
    without = await recovered(log)
    assert without.folded > 80
    assert state_equal(with_snapshot.state.pools["care"], without.state.pools["care"])
    assert with_snapshot.next_input == without.next_input


async def test_a_worker_takes_snapshots_beside_its_work_and_the_newest_stay(
    log: MemoryLog, clock: VirtualClock
) -> None:
    desk = Desk(log, clock, settings=OFTEN)
    async with working(desk) as worker:
        for number in range(1, 7):
            await desk.decided(worker)
            clock.advance_ms(60_000)
            await desk.give(a_contact_received(number))
            await eventually(lambda: len(desk.notes.snapshots) == number)  # noqa: B023 - awaited in the same turn
    stored = await read_snapshots(log, 0)
    assert [snapshot.manifest.generation for snapshot in stored.snapshots] == [1, 0, 3, 2]
    assert stored.snapshots[0].manifest.next_output > stored.snapshots[1].manifest.next_output
    assert stored.snapshots[0].manifest.size_bytes == desk.notes.snapshots[-1].size_bytes


async def spoil(log: MemoryLog, key: str, value: bytes) -> None:
    writer = await log.open_writer("vandal")
    await writer.append(ROUTING_SNAPSHOTS, 0, (NewRecord(key=key, value=value),))


@pytest.mark.parametrize("key", ["0/1/0", "0/1/1", "0/1/manifest"])
async def test_a_damaged_snapshot_gives_way_to_the_older_one(log: MemoryLog, clock: VirtualClock, key: str) -> None:
    # given
    await a_history(log, clock)
    await write(log, await frozen(log), 0)
    await a_history(log, clock, first=21)
    await write(log, await frozen(log), 1)
    whole = await recovered(log)
    assert whole.snapshots.snapshots[0].manifest.generation == 1
    # when
    await spoil(log, key, b"not what was written")
    # then
    again = await recovered(log)
    assert [snapshot.manifest.generation for snapshot in again.snapshots.snapshots] == [0]
    assert again.snapshots.torn == (1,)
    assert state_equal(again.state.pools["care"], whole.state.pools["care"])


async def test_a_late_chunk_while_the_next_one_is_written_leaves_a_whole_one(
    log: MemoryLog, clock: VirtualClock
) -> None:
    """A deposed writer's last append lands on the newest snapshot; the one in hand is torn at the same time."""
    # given: a worker that has written two, and let go of what both hold
    desk = Desk(log, clock, settings=OFTEN)
    async with working(desk) as worker:
        for number in (1, 2):
            await desk.decided(worker)
            clock.advance_ms(60_000)
            await desk.give(a_contact_received(number))
            await eventually(lambda: len(desk.notes.snapshots) == number)  # noqa: B023 - awaited in the same turn
    newest = (await read_snapshots(log, 0)).snapshots[0]
    # when
    await spoil(log, f"0/{newest.manifest.generation}/0", b"late")
    await spoil(log, f"0/{newest.manifest.generation + 1}/0", b"torn")
    # then
    assert (await recovered(log)).folded > 0


async def test_a_snapshot_that_stops_half_way_is_none(log: MemoryLog, clock: VirtualClock) -> None:
    # given: a complete one, and the process dies in the middle of the next but one, which overwrites it
    await a_history(log, clock)
    for generation in (0, 1):
        await write(log, await frozen(log), generation)
    await a_history(log, clock, first=21)
    state = await frozen(log)
    before = await log.end_offset(ROUTING_SNAPSHOTS, 0)
    writing = asyncio.create_task(write(log, state, 0))
    for _ in range(1000):
        await asyncio.sleep(0)
        if await log.end_offset(ROUTING_SNAPSHOTS, 0) > before:
            break
    writing.cancel()
    await asyncio.wait([writing])
    assert writing.cancelled()
    # then
    again = await recovered(log)
    assert [snapshot.manifest.generation for snapshot in again.snapshots.snapshots] == [1]
    assert again.folded > 0


async def test_two_writers_at_once_notice_each_other(log: MemoryLog, clock: VirtualClock) -> None:
    await a_history(log, clock)
    state = await frozen(log)
    outcomes = await asyncio.gather(write(log, state, 0), write(log, state, 0), return_exceptions=True)
    assert any(isinstance(outcome, SnapshotContestedError) for outcome in outcomes)


async def test_a_worker_keeps_the_older_snapshot_when_a_stranger_spoilt_the_newest(
    log: MemoryLog, clock: VirtualClock
) -> None:
    """A deposed writer that wakes in the middle of its snapshot spoils one generation; the other must not be given up for it."""
    # given: a worker that has written both
    desk = Desk(log, clock, settings=OFTEN)
    async with working(desk) as worker:
        for number in (1, 2):
            await desk.decided(worker)
            clock.advance_ms(60_000)
            await desk.give(a_contact_received(number))
            await eventually(lambda: len(desk.notes.snapshots) == number)  # noqa: B023 - awaited in the same turn
        newest, older = (await read_snapshots(log, 0)).snapshots
        # when: the newest is spoilt
        await spoil(log, f"0/{newest.manifest.generation}/0", b"late")
        clock.advance_ms(60_000)
        await desk.give(a_contact_received(3))
        await eventually(lambda: len(desk.notes.snapshots) == 3)
    # then
    generations = [snapshot.manifest.generation for snapshot in (await read_snapshots(log, 0)).snapshots]
    assert generations == [2, older.manifest.generation]


async def test_the_snapshot_of_a_deposed_writer_is_true_however_late_it_comes(
    log: MemoryLog, clock: VirtualClock
) -> None:
    """It was taken of a state that every reader admits; what its writer decided after it was deposed is not in it."""
    # given: the older writer is in the middle of a snapshot
    older = Desk(log, clock, settings=OFTEN)
    newer = Desk(log, clock)
    late = log.faults.hold_next_append(stream=ROUTING_SNAPSHOTS)
    zombie = asyncio.create_task(older.worker().run())
    await late.arrived.wait()
    async with working(newer) as worker:
        await newer.decided(worker)
        await newer.give(a_set_presence("anna"), a_contact_received(1, queue="orders"))
        await newer.decided(worker)
        # when: its snapshot gets through before it hears that it was deposed
        late.release()
        await asyncio.wait([zombie])
        assert isinstance(zombie.exception(), DeposedError)
        await newer.give(a_contact_received(2, queue="orders"))
        await newer.decided(worker)
        assert worker.tenure is not None
        live = worker.tenure.state.pools["care"]
        # then
        again = await recovered(log)
        assert state_equal(again.state.pools["care"], live)
    assert len(of_type(await newer.facts(), OfferMade)) == 2


async def test_what_both_snapshots_hold_may_go_and_nothing_else(clock: VirtualClock) -> None:
    # given: a log that keeps nothing for its own sake
    log = MemoryLog(1, clock, retention_days=0)
    desk = Desk(log, clock, settings=OFTEN)
    async with working(desk) as worker:
        for number in range(1, 4):
            await desk.decided(worker)
            clock.advance_ms(60_000)
            await desk.give(a_contact_received(number))
            await eventually(lambda: len(desk.notes.snapshots) == number)  # noqa: B023 - awaited in the same turn
        assert worker.tenure is not None
        live = worker.tenure.state.pools["care"]
        _, older, oldest = (await read_snapshots(log, 0)).snapshots
        await eventually(lambda: _begins_at(log, older.manifest.next_output))
    assert await log.begin_offset(ROUTING_INPUTS, 0) == older.manifest.next_input
    # then: each of the two is enough
    newest, *_ = (await read_snapshots(log, 0)).snapshots
    await spoil(log, f"0/{newest.manifest.generation}/manifest", b"{}")
    assert state_equal((await recovered(log)).state.pools["care"], live)
    # and with none that reaches far enough, nothing is made up
    assert oldest.manifest.next_output < older.manifest.next_output
    await spoil(log, f"0/{older.manifest.generation}/manifest", b"{}")
    with pytest.raises(RecoveryImpossibleError):
        await recovered(log)


async def _begins_at(log: MemoryLog, offset: int) -> bool:
    return await log.begin_offset(ROUTING_EVENTS, 0) == offset


async def test_an_outage_of_the_snapshots_stream_costs_no_decision(log: MemoryLog, clock: VirtualClock) -> None:
    desk = Desk(log, clock, settings=OFTEN)
    log.faults.fail_next_append(written=False, stream=ROUTING_SNAPSHOTS)
    async with working(desk) as worker:
        await desk.decided(worker)
        clock.advance_ms(60_000)
        await desk.give(a_contact_received(1))
        await eventually(lambda: desk.notes.snapshots)
    assert desk.notes.recoveries == 1


async def test_chunks_are_cut_to_size(log: MemoryLog, clock: VirtualClock) -> None:
    await a_history(log, clock)
    await write(log, await frozen(log), 0)
    records = await read_all(log, ROUTING_SNAPSHOTS, 0)
    *chunks, manifest = records
    assert len(chunks) > 1
    assert all(len(record.value) <= 1024 for record in chunks)
    assert [record.key for record in chunks] == [f"0/0/{index}" for index in range(len(chunks))]
    assert manifest.key == "0/0/manifest"
