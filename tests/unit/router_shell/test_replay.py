"""Replay: the same inputs give the same facts, and it shows where they do not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from libs.common.clock import VirtualClock
from libs.common.events.codec import decode_event, encode_value
from libs.common.events.inputs import AnyInput
from libs.common.events.routing import ContactQueued, OfferMade, PoolFact
from libs.common.log.memory import MemoryLog
from libs.common.log.port import NewRecord, Record
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS
from libs.common.testing.builders import START_MS, a_contact_received, a_set_presence, an_accept
from services.router.recovery import RecoveryImpossibleError
from services.router.replay import replay_partition
from tests.support.routing import Desk, a_settings, of_type, read_all, working
from tests.support.waiting import eventually

Change = Callable[[PoolFact], PoolFact | None]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START_MS)


async def a_history(log: MemoryLog, clock: VirtualClock, *extra: AnyInput, snapshots: bool = False) -> Desk:
    settings = a_settings(router_snapshot_records=1) if snapshots else None
    desk = Desk(log, clock, settings=settings)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna"), *(a_contact_received(n, queue="orders") for n in range(1, 5)))
        await desk.decided(worker)
        offer, *_ = of_type(desk.notes.facts, OfferMade)
        await desk.give(an_accept(offer.offer_id, "anna"), *extra)
        await desk.decided(worker)
        if snapshots:
            for number in range(5, 8):
                taken = len(desk.notes.snapshots)
                clock.advance_ms(60_000)
                await desk.give(a_contact_received(number))
                await eventually(lambda: len(desk.notes.snapshots) > taken)  # noqa: B023 - awaited in the same turn
                await desk.decided(worker)
    return desk


async def copy(log: MemoryLog, clock: VirtualClock, change: Change = lambda fact: fact) -> MemoryLog:
    """Another log with the same inputs, and with the facts as `change` makes them (None: left out)."""
    other = MemoryLog(1, VirtualClock(START_MS))
    writer = await other.open_writer("copy")
    for record in await read_all(log, ROUTING_INPUTS, 0):
        await writer.append(ROUTING_INPUTS, 0, (_new(record, record.value),))
    for record in await read_all(log, ROUTING_EVENTS, 0):
        fact = change(decode_event(record))
        if fact is not None:
            await writer.append(ROUTING_EVENTS, 0, (_new(record, encode_value(fact)),))
    return other


def _new(record: Record, value: bytes) -> NewRecord:
    return NewRecord(key=record.key, value=value, headers=record.headers)


async def test_what_was_decided_is_decided_again(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock)
    desk = await a_history(log, clock, a_set_presence("anna", pool="nowhere"))
    report = await replay_partition(log, 0)
    assert report.difference is None
    assert report.undecided == 0
    assert report.snapshot is None
    assert report.facts.total() == len(await desk.facts())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda fact: msgspec.structs.replace(fact, agent_id="bruno") if isinstance(fact, OfferMade) else fact,
            "agent_id",
        ),
        (lambda fact: None if isinstance(fact, OfferMade) else fact, "found    nothing"),
        (
            lambda fact: msgspec.structs.replace(fact, due_ms=1) if isinstance(fact, ContactQueued) else fact,
            "they differ in due_ms",
        ),
    ],
)
async def test_the_first_difference_is_shown(clock: VirtualClock, change: Change, told: str) -> None:
    log = MemoryLog(1, clock)
    await a_history(log, clock)
    changed = await copy(log, clock, change)
    report = await replay_partition(changed, 0)
    assert report.difference is not None
    assert told in report.difference.describe()
    assert "Where is my order?" not in report.difference.describe()


async def test_facts_that_no_input_explains_are_a_difference(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock)
    await a_history(log, clock)
    other = await copy(log, clock)
    writer = await other.open_writer("vandal")
    last = (await read_all(log, ROUTING_EVENTS, 0))[-1]
    headers = tuple((name, b"99" if name == "ce_inputoffset" else value) for name, value in last.headers)
    await writer.append(ROUTING_EVENTS, 0, (NewRecord(key=last.key, value=last.value, headers=headers),))
    report = await replay_partition(other, 0)
    assert report.difference is not None
    assert report.difference.input_offset == 99


async def test_what_nobody_has_decided_yet_is_no_difference(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock)
    desk = await a_history(log, clock)
    await desk.give(a_contact_received(50), a_contact_received(51))
    report = await replay_partition(log, 0)
    assert report.difference is None
    assert report.undecided == 2


async def test_one_pool_can_be_looked_at_alone(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock)
    await a_history(log, clock, a_set_presence("anna", pool="nowhere"))
    everything = await replay_partition(log, 0)
    care = await replay_partition(log, 0, pool="care")
    assert care.difference is None
    assert care.facts.total() == everything.facts.total() - 1


async def test_a_trimmed_log_is_replayed_from_its_oldest_snapshot(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock, retention_days=0)
    await a_history(log, clock, snapshots=True)
    assert await log.begin_offset(ROUTING_EVENTS, 0) > 0
    report = await replay_partition(log, 0)
    assert report.snapshot is not None
    assert report.difference is None
    assert report.inputs > 0


async def test_without_a_snapshot_a_trimmed_log_says_nothing(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock, retention_days=0)
    await a_history(log, clock)
    clock.advance_ms(1)
    await log.trim(ROUTING_EVENTS, 0, 3)
    with pytest.raises(RecoveryImpossibleError):
        await replay_partition(log, 0)
