"""A partition's worker on the memory log, with a clock that the tests move."""

from __future__ import annotations

import asyncio

import pytest

from libs.common.clock import VirtualClock
from libs.common.configuration.models import Agent, Pool, Queue
from libs.common.events.codec import decode_envelope, decode_event, encode_value
from libs.common.events.inputs import ConfigurePool, TimeAdvanced
from libs.common.events.routing import (
    ContactAssigned,
    ContactQueued,
    InputRefused,
    OfferExpired,
    OfferMade,
    PoolConfigured,
    PresenceChanged,
    WriterStarted,
)
from libs.common.log.batch import BATCH_BYTES_MAX
from libs.common.log.memory import MemoryLog
from libs.common.log.port import NewRecord
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS
from libs.common.testing.builders import START_MS, a_contact_received, a_set_presence, an_accept
from services.router.core.snapshot import state_equal
from services.router.deliveries import DeposedError
from services.router.partition import Phase
from services.router.recovery import recover
from tests.support.routing import Desk, a_configuration, a_settings, end, headers, of_type, read_all, working
from tests.support.waiting import eventually


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START_MS)


@pytest.fixture
def log(clock: VirtualClock) -> MemoryLog:
    return MemoryLog(1, clock)


async def test_a_message_is_offered_and_assigned(log: MemoryLog, clock: VirtualClock) -> None:
    # given
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna"))
        await desk.decided(worker)
        # when
        await desk.give(a_contact_received(queue="orders"))
        await desk.decided(worker)
        (offer,) = of_type(desk.notes.facts, OfferMade)
        await desk.give(an_accept(offer.offer_id, "anna"))
        await desk.decided(worker)
    # then
    facts = await desk.facts()
    assert [type(fact) for fact in facts[-3:]] == [ContactQueued, OfferMade, ContactAssigned]
    assert facts == desk.notes.facts


async def test_facts_carry_their_input_and_their_writers_term(log: MemoryLog, clock: VirtualClock) -> None:
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("bruno"))
        await desk.decided(worker)
        appended = await desk.give(a_contact_received(queue="general"), correlation_id="from the webhook")
        await desk.decided(worker)

    started, *_, queued, offered = await read_all(log, ROUTING_EVENTS, 0)
    assert isinstance(decode_event(started), WriterStarted)
    assert decode_envelope(started).term is None
    for index, record in enumerate((queued, offered)):
        envelope = decode_envelope(record)
        assert record.key == "care"
        assert envelope.term == started.offset
        assert envelope.input_offset == appended.first_offset
        assert envelope.id == f"0-{started.offset}-{appended.first_offset}-{index}"
        assert envelope.correlation_id == "from the webhook"
        assert envelope.causation_id == "input-2"
        assert headers(record)["ce_subject"] == decode_event(queued).contact_id


async def test_the_configuration_is_told_once(log: MemoryLog, clock: VirtualClock) -> None:
    desk = Desk(log, clock)
    for _ in range(3):
        async with working(desk) as worker:
            await desk.decided(worker)

    told = [decode_event(record) for record in await read_all(log, ROUTING_INPUTS, 0)]
    assert [type(event) for event in told] == [ConfigurePool]
    assert len(of_type(await desk.facts(), PoolConfigured)) == 1


async def test_a_pool_of_ten_thousand_agents_is_configured_and_recovered(log: MemoryLog, clock: VirtualClock) -> None:
    # given more agents than one append holds as they are written
    agents = {
        f"agent-{number:05}": Agent(
            name=f"Agente {number}",
            pool="care",
            skills={f"skill-{number % 50}": 3, "lang.it": 5, "orders": 2},
            capacity={"email": 2},
        )
        for number in range(10_000)
    }
    desk = Desk(log, clock, configuration=a_configuration(agents=agents))
    assert len(encode_value(desk.partition.configured["care"])) > BATCH_BYTES_MAX
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("agent-09999"))
        await desk.give(a_contact_received(queue="orders"))
        await desk.decided(worker)
    # then one of them is offered a contact
    facts = await desk.facts()
    assert [fact.agent_id for fact in of_type(facts, OfferMade)] == ["agent-09999"]
    # and a router that begins anew knows them all and configures nothing again
    async with working(desk) as worker:
        await desk.decided(worker)
        assert worker.tenure is not None
        assert len(worker.tenure.state.pools["care"].agents) == 10_000
    assert len(of_type(await desk.facts(), PoolConfigured)) == 1


async def test_a_message_from_before_the_first_configuration_is_not_lost(log: MemoryLog, clock: VirtualClock) -> None:
    # given: ingest was there before the first router ever was
    desk = Desk(log, clock)
    await desk.give(a_contact_received(1), a_contact_received(2))
    # when
    async with working(desk) as worker:
        await desk.decided(worker)
    # then
    queued = of_type(await desk.facts(), ContactQueued)
    assert [fact.contact_id for fact in queued] == [a_contact_received(n).contact_id for n in (1, 2)]
    # and it is put back once, not for ever
    async with working(desk) as worker:
        await desk.decided(worker)
    assert await log.end_offset(ROUTING_INPUTS, 0) == 5


async def test_an_input_of_an_unknown_pool_is_refused_and_harms_only_itself(
    log: MemoryLog, clock: VirtualClock
) -> None:
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna", pool="nowhere"), a_set_presence("anna"))
        await desk.decided(worker)
        assert worker.tenure is not None
        assert list(worker.tenure.state.pools) == ["care"]

    facts = await desk.facts()
    (refused,) = of_type(facts, InputRefused)
    assert (refused.pool, refused.reason) == ("nowhere", "pool-unknown")
    assert refused.command_id == a_set_presence("anna", pool="nowhere").command_id
    assert len(of_type(facts, PresenceChanged)) == 1


async def test_a_message_that_opens_no_contact_is_put_aside_and_can_be_put_back(
    log: MemoryLog, clock: VirtualClock
) -> None:
    # given a message for a pool that this router's configuration does not have
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_contact_received(1, pool="nowhere"), a_contact_received(2))
        await desk.decided(worker)
    [(record, error)] = desk.dead_letters.kept
    assert str(error) == "No such pool is configured."
    assert desk.dead_letters.letters == []
    # when the router has that pool, and the message is put back
    wider = a_configuration(
        pools={"care": Pool(), "nowhere": Pool()},
        queues={**a_configuration().queues, "there": Queue(pool="nowhere", target_ms=60_000)},
    )
    later = Desk(log, clock, configuration=wider)
    async with working(later) as worker:
        await later.decided(worker)
        await later.give(decode_event(record))
        await later.decided(worker)
    # then it opens its contact
    [queued] = [fact for fact in of_type(await later.facts(), ContactQueued) if fact.pool == "nowhere"]
    assert queued.message_id == decode_event(record).message.id
    assert later.dead_letters.kept == []


async def test_a_record_that_cannot_be_read_is_put_aside_and_the_rest_goes_on(
    log: MemoryLog, clock: VirtualClock
) -> None:
    desk = Desk(log, clock)
    writer = await log.open_writer("somebody")
    rubbish = NewRecord(key="care", value=b'{"type": "nothing.we.know"}', headers=(("ce_id", b"1"),))
    nameless = NewRecord(key="care", value=b"{}")
    async with working(desk) as worker:
        await desk.decided(worker)
        await writer.append(ROUTING_INPUTS, 0, (rubbish, nameless))
        await desk.give(a_set_presence("anna"))
        await desk.decided(worker)

    assert [record.value for record, _ in desk.dead_letters.letters] == [rubbish.value, nameless.value]
    assert len(of_type(await desk.facts(), PresenceChanged)) == 1


async def test_an_offer_runs_out_when_its_time_has_come(log: MemoryLog, clock: VirtualClock) -> None:
    # given
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna"), a_contact_received(queue="orders"))
        await desk.decided(worker)
        (offer,) = of_type(desk.notes.facts, OfferMade)
        # The time has nearly come.
        clock.advance_ms(19_999)
        await desk.decided(worker)
        assert not of_type(desk.notes.facts, OfferExpired)
        # when
        clock.advance_ms(1)
        await eventually(lambda: of_type(desk.notes.facts, OfferExpired))
        await desk.decided(worker)
    # then
    (expired,) = of_type(await desk.facts(), OfferExpired)
    assert expired.offer_id == offer.offer_id
    told = [decode_event(record) for record in await read_all(log, ROUTING_INPUTS, 0)]
    assert of_type(told, TimeAdvanced) == [TimeAdvanced(pool="care", now_ms=offer.expires_ms)]


async def test_an_offer_that_ran_out_while_nobody_worked_expires_after_the_restart(
    log: MemoryLog, clock: VirtualClock
) -> None:
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna"), a_contact_received(queue="orders"))
        await desk.decided(worker)
    clock.advance_ms(3_600_000)
    async with working(desk):
        await eventually(lambda: of_type(desk.notes.facts, OfferExpired))


async def test_the_time_is_told_once_while_it_is_under_way(log: MemoryLog, clock: VirtualClock) -> None:
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna"), a_contact_received(queue="orders"))
        await desk.decided(worker)
        # given: what the worker reads comes late
        log.faults.pause_readers(ROUTING_INPUTS)
        before = await log.end_offset(ROUTING_INPUTS, 0)
        clock.advance_ms(20_000)
        await eventually(lambda: _grown(log, before))
        # when: other things wake it
        clock.advance_ms(20_000)
        clock.advance_ms(120_000)
        log.faults.resume_readers(ROUTING_INPUTS)
        await eventually(lambda: of_type(desk.notes.facts, OfferExpired))
        await desk.decided(worker)

    told = of_type([decode_event(record) for record in await read_all(log, ROUTING_INPUTS, 0)], TimeAdvanced)
    assert len({event.now_ms for event in told}) == len(told)


async def _grown(log: MemoryLog, before: int) -> bool:
    return await log.end_offset(ROUTING_INPUTS, 0) > before


async def test_a_restart_goes_on_from_what_stands_on_the_log(log: MemoryLog, clock: VirtualClock) -> None:
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna"), *(a_contact_received(n, queue="orders") for n in range(1, 6)))
        await desk.decided(worker)
        assert worker.tenure is not None
        before = worker.tenure.state.pools["care"]
    facts = await desk.facts()
    async with working(desk) as worker:
        await desk.decided(worker)
        assert worker.tenure is not None
        assert state_equal(worker.tenure.state.pools["care"], before)
        assert worker.tenure.term > 0
    assert await desk.facts() == facts


@pytest.mark.parametrize("written", [True, False])
async def test_a_failed_append_drops_the_state_and_nothing_else(
    log: MemoryLog, clock: VirtualClock, written: bool
) -> None:
    """Whether the batch was written or not, what stands on the log afterwards has every effect once."""
    # given
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna"))
        await desk.decided(worker)
        log.faults.fail_next_append(written=written, stream=ROUTING_EVENTS)
        # when
        await desk.give(a_contact_received(queue="orders"))
        await eventually(lambda: desk.phases.of(0)[-1] is Phase.RECOVERING)
        clock.advance_ms(5_000)
        await eventually(lambda: desk.notes.recoveries == 2)
        await desk.decided(worker)
    # then
    facts = await desk.facts()
    assert len(of_type(facts, ContactQueued)) == len(of_type(facts, OfferMade)) == 1


async def test_a_worker_is_patient_while_the_log_is_away(log: MemoryLog, clock: VirtualClock) -> None:
    desk = Desk(log, clock)
    log.faults.take_away()
    async with working(desk):
        for _ in range(5):
            await asyncio.sleep(0)
            clock.advance_ms(2_000)
        log.faults.give_back()
        await asyncio.sleep(0)
        clock.advance_ms(2_000)
        await eventually(lambda: desk.phases.of(0)[-1] is Phase.LIVE)


async def test_a_deposed_worker_finds_out_by_its_own_append_and_stops(log: MemoryLog, clock: VirtualClock) -> None:
    # given: two that both believe that the partition is theirs
    older, newer = Desk(log, clock), Desk(log, clock)
    deposed = asyncio.create_task(older.worker().run())
    await eventually(lambda: older.phases.of(0)[-1] is Phase.LIVE)
    async with working(newer) as worker:
        await newer.decided(worker)
        # when
        await newer.give(a_set_presence("anna"), a_contact_received(queue="orders"))
        await newer.decided(worker)
        # then
        with pytest.raises(DeposedError):
            await deposed
    facts = await newer.facts()
    assert len(of_type(facts, ContactQueued)) == len(of_type(facts, OfferMade)) == 1


async def test_a_batch_that_arrives_after_a_newer_writer_began_counts_for_nobody(
    log: MemoryLog, clock: VirtualClock
) -> None:
    """The zombie: its batch is under way while another takes over, recovers and decides the same inputs."""
    # given
    older, newer = Desk(log, clock), Desk(log, clock)
    zombie = asyncio.create_task(older.worker().run())
    await eventually(lambda: older.phases.of(0)[-1] is Phase.LIVE)
    await older.give(a_set_presence("anna"))
    await eventually(lambda: of_type(older.notes.facts, PresenceChanged))
    late = log.faults.hold_next_append(stream=ROUTING_EVENTS)
    await older.give(a_contact_received(queue="orders"))
    await late.arrived.wait()
    async with working(newer) as worker:
        await newer.decided(worker)
        # when
        late.release()
        with pytest.raises(DeposedError):
            await zombie
        # then: the newer one goes on over the late batch
        (offer,) = of_type(newer.notes.facts, OfferMade)
        await newer.give(an_accept(offer.offer_id, "anna"))
        await newer.decided(worker)
    facts = await newer.facts()
    assert len(of_type(facts, ContactQueued)) == len(of_type(facts, OfferMade)) == 1
    assert len(of_type(facts, ContactAssigned)) == 1
    recovered = await recover(
        log, partition=0, configured=["care"], before_offset=await log.end_offset(ROUTING_EVENTS, 0)
    )
    assert worker.tenure is None
    assert not recovered.state.settle()


async def test_one_poll_is_one_batch(log: MemoryLog, clock: VirtualClock) -> None:
    desk = Desk(log, clock)
    async with working(desk) as worker:
        await desk.decided(worker)
        desk.notes.batches.clear()
        await desk.give(*(a_contact_received(n) for n in range(1, 101)))
        await desk.decided(worker)
    assert desk.notes.batches == [200]


async def test_a_batch_holds_whole_inputs_and_no_more_than_it_may(log: MemoryLog, clock: VirtualClock) -> None:
    desk = Desk(log, clock, settings=a_settings(router_batch_records_max=9))
    async with working(desk) as worker:
        await desk.decided(worker)
        desk.notes.batches.clear()
        # Each makes two facts.
        await desk.give(*(a_contact_received(n, queue="general") for n in range(1, 10)), a_set_presence("bruno"))
        await desk.decided(worker)
    assert [type(fact) for fact in (await desk.facts())[-2:]] == [PresenceChanged, OfferMade]
    assert desk.notes.batches == [8, 8, 4]


async def test_a_long_settling_is_split_and_goes_on_after_a_crash_in_between(
    log: MemoryLog, clock: VirtualClock
) -> None:
    # given: thirty waiting contacts, and an agent with room for them all who signs in
    configuration = a_configuration(agents={"anna": Agent(name="Anna", pool="care", capacity={"email": 30})})
    desk = Desk(log, clock, configuration=configuration, settings=a_settings(router_batch_records_max=10))
    worker = desk.worker()
    task = asyncio.create_task(worker.run())
    await desk.give(*(a_contact_received(n, queue="general") for n in range(1, 31)))
    await desk.decided(worker)
    # when: the second of the batches is never written, and the process dies
    first = log.faults.hold_next_append(stream=ROUTING_EVENTS)
    await desk.give(a_set_presence("anna"))
    await first.arrived.wait()
    log.faults.hold_next_append(stream=ROUTING_EVENTS)
    first.release()
    await eventually(lambda: len(of_type(desk.notes.facts, OfferMade)) == 9)
    await end(task)
    assert len(of_type(await desk.facts(), OfferMade)) == 9
    # then
    async with working(desk) as worker:
        await desk.decided(worker)
    facts = await desk.facts()
    assert len({offer.contact_id for offer in of_type(facts, OfferMade)}) == 30
    assert len(of_type(facts, PresenceChanged)) == 1
