"""The forwarder: what a pool has for others comes to them exactly once in effect, whichever append fails and whoever is a zombie."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from libs.common.clock import VirtualClock
from libs.common.configuration.models import Configuration, Overflow, Pool, Queue, Rule
from libs.common.errors import LogUnavailableError
from libs.common.events.codec import decode_event
from libs.common.events.inputs import ContactHandedOver, CustomerLeft, HandoversAppended, TimeAdvanced
from libs.common.events.routing import (
    ContactAbandoned,
    ContactForwarded,
    ContactQueued,
    HandoversDelivered,
    InputRefused,
    MessageJoined,
)
from libs.common.log.memory import MemoryLog
from libs.common.log.port import NewRecord
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS, partition_of
from libs.common.testing.builders import START_MS, a_contact_received, a_message
from services.router.core.model import new_state
from services.router.core.step import step
from services.router.deliveries import DeposedError
from services.router.forwarding import Forwarder, handover_record
from services.router.pools import pool_configuration
from tests.support.routing import Desk, headers, of_type, read_all, working
from tests.support.waiting import eventually

PARTITIONS = 2
# Two names that are of different partitions.
FIRST = "care"
OTHER = next(
    name for name in ("night", "late", "far") if partition_of(name, PARTITIONS) != partition_of(FIRST, PARTITIONS)
)


def a_configuration(when: str = "waiting", at_least: int = 1, **target: Any) -> Configuration:
    """Pool `care`, whose second waiting contact goes to the other pool, or as it is said."""
    rule = Overflow(when=when, at_least=at_least, to="pool", target=OTHER)
    return Configuration(
        pools={FIRST: Pool(), OTHER: Pool()},
        queues={
            "general": Queue(pool=FIRST, overflow=(rule,)),
            "aaa": Queue(pool=OTHER),
            "there": Queue(pool=OTHER, **target),
        },
        rules=(Rule(queue="general"), Rule(queue="there")),
    )


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START_MS)


@pytest.fixture
def log(clock: VirtualClock) -> MemoryLog:
    return MemoryLog(PARTITIONS, clock)


def desks(log: MemoryLog, clock: VirtualClock, configuration: Configuration | None = None) -> tuple[Desk, Desk]:
    """The partitions of the two pools."""
    here, there = (
        Desk(log, clock, number=partition_of(pool, PARTITIONS), configuration=configuration or a_configuration())
        for pool in (FIRST, OTHER)
    )
    return here, there


async def handed_over(desk: Desk) -> list[ContactHandedOver]:
    """What stands among this partition's inputs of what another pool handed over."""
    inputs = [decode_event(record) for record in await read_all(desk.log, ROUTING_INPUTS, desk.number)]
    return of_type(inputs, ContactHandedOver)


def test_a_pool_is_overflowed_to_where_its_default_rule_leads() -> None:
    configured = pool_configuration(a_configuration(), FIRST)
    assert [rule.queue for rule in configured.queues[0].overflow] == ["there"]


async def test_a_contact_goes_to_the_other_partition(log: MemoryLog, clock: VirtualClock) -> None:
    here, there = desks(log, clock)
    async with working(here) as worker, working(there) as other:
        await here.decided(worker)
        await here.give(*(a_contact_received(number, queue="general") for number in (1, 2, 3)))

        async def arrived() -> bool:
            return len(of_type(there.notes.facts, ContactQueued)) == 2

        await eventually(arrived)
        await here.decided(worker)
        await there.decided(other)
        # then nothing is left to do
        tenure = worker.tenure
        assert tenure is not None
        await eventually(lambda: not tenure.state.pools[FIRST].outbox)
    assert [fact.queue for fact in of_type(there.notes.facts, ContactQueued)] == ["there", "there"]
    delivered = of_type(here.notes.facts, HandoversDelivered)
    assert sorted(name for fact in delivered for name in fact.ids) == sorted(
        a_contact_received(number).contact_id for number in (2, 3)
    )


async def test_the_correlation_id_of_the_request_goes_to_the_other_pool(log: MemoryLog, clock: VirtualClock) -> None:
    # given a contact that a request brought, in a pool that passes on who has waited for a minute
    here, there = desks(log, clock, a_configuration("waited", 60_000))
    request = "req-4711"
    received = a_contact_received(1, queue="general", correlation_id=request)
    async with working(here) as worker:
        await here.decided(worker)
        await here.give(received, correlation_id=request)
        await here.decided(worker)
    # when the router was started anew, the time has passed, the customer writes again and leaves
    async with working(here) as worker, working(there) as other:
        await here.decided(worker)
        clock.advance_ms(60_000)
        await here.give(TimeAdvanced(pool=FIRST, now_ms=clock.now_ms()), correlation_id="")
        further = a_contact_received(
            1, queue="general", message=a_message(1, provider_id="again"), correlation_id="req-4712"
        )
        await here.give(further, correlation_id="req-4712")
        left = CustomerLeft(pool=FIRST, contact_id=received.contact_id, correlation_id="req-4713")
        await here.give(left, correlation_id="req-4713")

        async def arrived() -> bool:
            await there.decided(other)
            return bool(of_type(there.notes.facts, ContactAbandoned))

        await eventually(arrived)
    # then all that the other pool says of it leads back to the requests
    said = [(type(decode_event(record)), headers(record)["correlationid"]) for record in await there.admitted()]
    assert (ContactQueued, request) in said
    assert (MessageJoined, "req-4712") in said
    assert (ContactAbandoned, "req-4713") in said


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize(
    ("stream", "second"),
    [(ROUTING_EVENTS, False), (ROUTING_INPUTS, False), (ROUTING_INPUTS, True), (ROUTING_EVENTS, True)],
    ids=["the contact is forwarded", "it is handed over", "it is said that it was", "that is decided"],
)
async def test_whatever_append_fails_it_comes_once(
    log: MemoryLog, clock: VirtualClock, stream: str, second: bool, written: bool
) -> None:
    # given two workers at work, and that one of the next appends fails
    here, there = desks(log, clock)
    mine: dict[str, str] = {"writer": f"router-{here.number}", "stream": stream}
    async with working(here) as worker, working(there):
        await here.decided(worker)
        await here.give(a_contact_received(1, queue="general"))
        await here.decided(worker)
        if second:
            first = log.faults.hold_next_append(**mine)
            await here.give(a_contact_received(2, queue="general"))
            await first.arrived.wait()
            log.faults.fail_next_append(written=written, **mine)
            first.release()
        else:
            log.faults.fail_next_append(written=written, **mine)
            await here.give(a_contact_received(2, queue="general"))

        def again() -> bool:
            clock.advance_ms(100)
            return here.notes.recoveries == 2

        # when it has tried again
        await eventually(again)

        async def done() -> bool:
            assert worker.tenure is not None
            return bool(of_type(await there.facts(), ContactQueued)) and not worker.tenure.state.pools[FIRST].outbox

        await eventually(done)
    # then
    assert len(of_type(await there.facts(), ContactQueued)) == 1
    assert len(of_type(await here.facts(), ContactForwarded)) == 1


async def test_a_zombie_hands_over_nothing_that_did_not_happen(log: MemoryLog, clock: VirtualClock) -> None:
    # given two that both believe that the partition is theirs
    older, there = desks(log, clock)
    newer, _ = desks(log, clock)
    worker = older.worker()
    deposed = asyncio.create_task(worker.run())
    await older.decided(worker)
    await older.give(a_contact_received(1, queue="general"))
    await older.decided(worker)
    # when the older one's facts come late, after the newer has begun its term
    late = log.faults.hold_next_append(stream=ROUTING_EVENTS)
    await older.give(a_contact_received(2, queue="general"))
    await late.arrived.wait()
    async with working(newer) as live, working(there):
        await newer.decided(live)
        late.release()
        with pytest.raises(DeposedError):
            await deposed
        await eventually(lambda: of_type(there.notes.facts, ContactQueued))
        await newer.decided(live)
    # then it was handed over by the newer one alone, and is there once
    assert len(await handed_over(there)) == 1
    assert len(of_type(await there.facts(), ContactQueued)) == 1


async def test_what_was_not_handed_over_is_after_a_restart(log: MemoryLog, clock: VirtualClock) -> None:
    # given a worker whose hand-over never leaves
    here, there = desks(log, clock)
    worker = here.worker()
    task = asyncio.create_task(worker.run())
    await here.decided(worker)
    await here.give(a_contact_received(1, queue="general"))
    await here.decided(worker)
    held = log.faults.hold_next_append(stream=ROUTING_INPUTS, writer=f"router-{here.number}")
    await here.give(a_contact_received(2, queue="general"))
    await held.arrived.wait()
    # when it is killed, and another begins, with nothing new to do
    task.cancel()
    await asyncio.wait([task])
    async with working(there), working(desks(log, clock)[0]):
        await eventually(lambda: of_type(there.notes.facts, ContactQueued))
        # and the lost one comes late
        held.release()
        await eventually(lambda: there.notes.inputs >= 3)
    assert len(await handed_over(there)) == 2
    assert len(of_type(await there.facts(), ContactQueued)) == 1


async def test_what_a_pool_refuses_can_be_looked_at_and_put_back(log: MemoryLog, clock: VirtualClock) -> None:
    # given another pool that this partition's worker does not know (yet)
    here, _ = desks(log, clock)
    elsewhere = Desk(
        log,
        clock,
        number=partition_of(OTHER, PARTITIONS),
        configuration=Configuration(
            pools={FIRST: Pool()}, queues={"general": Queue(pool=FIRST)}, rules=(Rule(queue="general"),)
        ),
    )
    async with working(here) as worker, working(elsewhere):
        await here.decided(worker)
        await here.give(*(a_contact_received(number, queue="general") for number in (1, 2)))
        await eventually(lambda: elsewhere.dead_letters.kept)
    [refused] = of_type(await elsewhere.facts(), InputRefused)
    assert refused.reason == "pool-unknown"
    record, _ = elsewhere.dead_letters.kept[0]
    assert isinstance(decode_event(record), ContactHandedOver)


async def test_nothing_is_handed_over_twice_in_one_term_and_all_again_in_the_next() -> None:
    # given a pool with something for another one
    state = new_state(FIRST)
    step(state, pool_configuration(a_configuration(), FIRST), START_MS)
    for number in (1, 2):
        step(state, a_contact_received(number, queue="general"), START_MS)
    appended: list[NewRecord] = []
    told: list[HandoversAppended] = []

    async def append(_: int, records: Any) -> None:
        appended.extend(records)

    async def tell(event: HandoversAppended) -> None:
        told.append(event)

    forwarder = Forwarder(append, tell, partitions=PARTITIONS)
    # when
    for _ in range(2):
        if forwarder.due({FIRST: state}):
            await forwarder.forward({FIRST: state}, START_MS)
    # then once
    contact_id = a_contact_received(2).contact_id
    assert told == [HandoversAppended(pool=FIRST, ids=(contact_id,))]
    assert len(appended) == 1
    # and again by the next, with the same id
    await Forwarder(append, tell, partitions=PARTITIONS).forward({FIRST: state}, START_MS + 5)
    assert [dict(record.headers)["ce_id"] for record in appended] == [f"{contact_id}>{OTHER}".encode()] * 2
    # when it is told
    step(state, told[0], START_MS)
    assert not forwarder.due({FIRST: state})
    await forwarder.forward({FIRST: state}, START_MS)
    assert len(appended) == 2


async def test_a_failed_append_is_an_outage_and_much_goes_in_parts() -> None:
    state = new_state(FIRST)
    step(state, pool_configuration(a_configuration(), FIRST), START_MS)
    for number in range(1, 1_203):
        step(state, a_contact_received(number, queue="general"), START_MS)
    sizes: list[int] = []

    async def append(_: int, records: Any) -> None:
        sizes.append(len(records))
        if len(sizes) == 2:
            raise LogUnavailableError("away")

    async def tell(event: HandoversAppended) -> None:
        raise AssertionError(f"told too early: {event}")

    with pytest.raises(LogUnavailableError):
        await Forwarder(append, tell, partitions=PARTITIONS).forward({FIRST: state}, START_MS)
    assert sizes == [500, 500]
    assert len(state.outbox) == 1_201
    one = next(iter(state.outbox.items()))
    assert handover_record(*one, START_MS).key == OTHER
