"""Explaining from the log: from its beginning, from a snapshot, past what deposed writers left there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from libs.common.clock import VirtualClock
from libs.common.configuration.models import Agent, Overflow, Pool, Queue, Rule
from libs.common.events.codec import encode_record
from libs.common.events.inputs import ContactHandedOver, TimeAdvanced
from libs.common.events.routing import ContactForwarded, ContactQueued, ContactRequeued, OfferMade
from libs.common.log.memory import MemoryLog
from libs.common.log.streams import ROUTING_EVENTS, partition_of
from libs.common.testing.builders import START_MS, a_contact_received, a_resolve, a_set_presence, an_accept
from services.agent_api import models_explain
from services.router.core.explain import Blocker, Candidate, NextRelaxation, Obstacle, Standing, WaitingExplanation
from services.router.explain import ContactUnknownError, Explanation, explain_contact
from services.router.explain_document import as_document, as_lines
from services.router.snapshot import read_snapshots
from tests.support.routing import Desk, a_configuration, a_settings, of_type, working
from tests.support.waiting import eventually


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START_MS)


async def a_day(log: MemoryLog, clock: VirtualClock, *, snapshots: bool = False) -> tuple[Desk, str, str]:
    """Anna takes the first contact and resolves it; the last one waits. Their ids."""
    desk = Desk(log, clock, settings=a_settings(router_snapshot_records=1) if snapshots else None)
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna"), a_contact_received(1, queue="orders"))
        await desk.decided(worker)
        (offer,) = of_type(desk.notes.facts, OfferMade)
        await desk.give(an_accept(offer.offer_id, "anna"), a_resolve(offer.contact_id, "anna"))
        await desk.decided(worker)
        if snapshots:
            await eventually(lambda: desk.notes.snapshots != [])
        clock.advance_ms(60_000)
        await desk.give(*(a_contact_received(number, queue="orders") for number in range(2, 5)))
        await desk.decided(worker)
    # She has room for two, so that the last one waits.
    return desk, offer.contact_id, of_type(desk.notes.facts, ContactQueued)[-1].contact_id


async def test_a_contact_that_is_over_is_explained_to_its_end(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock)
    _, first, _ = await a_day(log, clock)
    told = await explain_contact(log, first, (0,))
    assert told.complete
    assert told.state is None
    assert told.waiting is None
    assert [entry.type.removeprefix("centralino.") for entry in told.history] == [
        "contact.queued.v1",
        "offer.made.v1",
        "contact.assigned.v1",
        "contact.resolved.v1",
    ]
    (offer,) = told.offers
    assert (offer.agent_id, offer.standing.candidates_total) == ("anna", 1)
    assert offer.standing.obstacles == {"presence": 1, "skill": 1}


async def test_a_waiting_contact_is_told_why(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock)
    _, _, waiting = await a_day(log, clock)
    told = await explain_contact(log, waiting, (0,))
    assert told.waiting is not None
    assert told.waiting.would_help["anna"].obstacle is Obstacle.CAPACITY


async def test_it_makes_no_difference_whether_a_snapshot_stands_before_it(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock)
    _, first, waiting = await a_day(log, clock, snapshots=True)
    other_clock = VirtualClock(START_MS)
    whole = MemoryLog(1, other_clock)
    _, again, same = await a_day(whole, other_clock)
    assert (again, same) == (first, waiting)
    for contact_id in (first, waiting):
        told, expected = await explain_contact(log, contact_id, (0,)), await explain_contact(whole, contact_id, (0,))
        assert (told.offers, told.waiting, told.complete) == (expected.offers, expected.waiting, True)


async def test_what_the_log_no_longer_tells_is_not_made_up(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock)
    _, first, waiting = await a_day(log, clock)
    later = Desk(log, clock, settings=a_settings(router_snapshot_records=1))
    async with working(later) as worker:
        await later.decided(worker)
        await later.give(a_contact_received(9))
        await later.decided(worker)
        await eventually(lambda: later.notes.snapshots != [])
    clock.advance_ms(30 * 86_400_000)
    await log.trim(ROUTING_EVENTS, 0, (await read_snapshots(log, 0)).snapshots[0].manifest.next_output)
    told = await explain_contact(log, waiting, (0,))
    assert not told.complete
    assert told.waiting is not None
    with pytest.raises(ContactUnknownError):
        await explain_contact(log, first, (0,))


async def test_what_a_deposed_writer_wrote_late_explains_nothing(clock: VirtualClock) -> None:
    log = MemoryLog(1, clock)
    _, first, _ = await a_day(log, clock)
    writer = await log.open_writer("deposed")
    late = ContactRequeued(pool="care", at_ms=START_MS, contact_id=first, agent_id="anna", cause="sign-out")
    record = encode_record(
        late, key="care", event_id="x", source="x", time_ms=1, correlation_id="", subject=first, term=99, input_offset=0
    )
    await writer.append(ROUTING_EVENTS, 0, (record,))
    assert "contact.requeued" not in str((await explain_contact(log, first, (0,))).history)


async def test_a_contact_of_which_nobody_heard_is_refused(clock: VirtualClock) -> None:
    log = MemoryLog(2, clock)
    with pytest.raises(ContactUnknownError, match="con_none"):
        await explain_contact(log, "con_none", (0, 1))


def test_as_json_and_as_lines_it_says_the_same(clock: VirtualClock) -> None:
    async def tell() -> tuple[Explanation, Explanation]:
        log = MemoryLog(1, clock)
        _, first, waiting = await a_day(log, clock)
        return await explain_contact(log, first, (0,)), await explain_contact(log, waiting, (0,))

    first, waiting = asyncio.run(tell())
    document = as_document(first)
    assert document["offers"][0]["at"] == document["history"][1]["at"] == "2026-01-01T00:00:00.000Z"
    assert document["offers"][0]["standing"]["candidates"][0]["agent_id"] == "anna"
    assert "_ms" not in str(document).replace("waited_ms", "").replace("offer_timeout_ms", "")
    lines = "\n".join(as_lines(first))
    assert "could take it (1): anna (0 in hand" in lines
    assert "bruno: is offline; lacks the skill orders" in lines
    assert "anna: when there is room on email" in "\n".join(as_lines(waiting))


@pytest.mark.parametrize("obstacle", Obstacle)
def test_every_obstacle_has_its_words(obstacle: Obstacle) -> None:
    blocker = Blocker(obstacle=obstacle, subject="orders", asked=2, has=1, until_ms=START_MS)
    standing = Standing(
        candidates=(),
        candidates_total=0,
        left_out=(Candidate(agent_id="anna", in_hand=0, idle_since_ms=0, blockers=(blocker,)),),
        left_out_total=1,
        obstacles={obstacle.value: 1},
    )
    waiting = WaitingExplanation(
        at_ms=START_MS,
        policy_version=None,
        queue="orders",
        channel="email",
        skills={},
        due_ms=START_MS,
        waited_ms=0,
        ahead_in_queue=0,
        ahead_in_pool=0,
        would_help={"anna": blocker},
        standing=standing,
    )
    explanation = Explanation(
        contact_id="con_1",
        pool="care",
        partition=0,
        complete=True,
        state="queued",
        at_ms=0,
        history=(),
        offers=(),
        waiting=waiting,
    )
    assert sum("anna: " in line for line in as_lines(explanation)) == 2


def a_waiting(blocker: Blocker, **more: Any) -> Explanation:
    """The explanation of a contact that waits, with one agent for whom one thing is in the way."""
    candidate = Candidate(agent_id="anna", in_hand=0, idle_since_ms=0, blockers=(blocker,))
    plain: dict[str, Any] = {
        "at_ms": START_MS,
        "policy_version": None,
        "queue": "orders",
        "channel": "email",
        "skills": {},
        "due_ms": START_MS,
        "waited_ms": 0,
        "ahead_in_queue": 0,
        "ahead_in_pool": 0,
        "would_help": {"anna": blocker},
        "standing": Standing(
            candidates=(),
            candidates_total=0,
            left_out=(candidate,),
            left_out_total=1,
            obstacles={blocker.obstacle.value: 1},
        ),
    }
    return Explanation(
        contact_id="con_1",
        pool="care",
        partition=0,
        complete=True,
        state="queued",
        at_ms=START_MS,
        history=(),
        offers=(),
        waiting=WaitingExplanation(**{**plain, **more}),
    )


@pytest.mark.parametrize("obstacle", [Obstacle.CLOSED, Obstacle.OFF_SHIFT])
def test_an_opening_that_nobody_knows_of_yet_is_no_time(obstacle: Obstacle) -> None:
    lines = "\n".join(as_lines(a_waiting(Blocker(obstacle=obstacle, subject="shop"))))

    assert "1970" not in lines
    assert "not known" in lines


def test_who_has_no_room_by_the_configuration_is_not_waited_for() -> None:
    none = "\n".join(as_lines(a_waiting(Blocker(obstacle=Obstacle.CAPACITY, subject="email", asked=1, has=0))))
    few = "\n".join(as_lines(a_waiting(Blocker(obstacle=Obstacle.UNITS, subject="email", asked=80, has=60))))

    assert "anna: with room for email in the configured capacity" in none
    assert "anna: with at least 80 units in the configuration" in few


def test_lines_and_document_say_what_is_asked_for_and_what_will_be() -> None:
    next_step = NextRelaxation(at_ms=START_MS + 30_000, step=2, skills={"orders": 1})
    told = a_waiting(
        Blocker(obstacle=Obstacle.PRESENCE, subject="break"),
        any_of=({"it": 3}, {"en": 4, "orders": 1}),
        relaxed=1,
        relaxation=next_step,
    )

    lines, document = "\n".join(as_lines(told)), as_document(told)

    assert "asks for it 3 or en 4, orders 1 (less than at first: step 1 of relaxation)" in lines
    assert "at 2026-01-01T00:00:30.000Z it asks for less (step 2): orders 1" in lines
    assert document["waiting"]["relaxation"]["at"] == "2026-01-01T00:00:30.000Z"
    assert models_explain.Explanation.model_validate(document)


async def two_pools(log: MemoryLog, clock: VirtualClock) -> str:
    """A contact overflows from care, where nobody is there, to the night's pool, where it waits for somebody, too."""
    configuration = a_configuration(
        pools={"care": Pool(), "night": Pool()},
        queues={
            "orders": Queue(
                pool="care",
                target_ms=60_000,
                overflow=(Overflow(when="waited", at_least="30s", to="pool", target="night"),),
            ),
            "late": Queue(pool="night", target_ms=60_000),
        },
        rules=(Rule(queue="orders"), Rule(queue="late")),
        agents={"anna": Agent(name="Anna", pool="care"), "nora": Agent(name="Nora", pool="night")},
    )
    care, night = partition_of("care", 4), partition_of("night", 4)
    assert care != night
    begin = Desk(log, clock, number=care, configuration=configuration)
    end = Desk(log, clock, number=night, configuration=configuration)
    async with working(begin) as worker:
        await begin.decided(worker)
        await begin.give(a_set_presence("anna"), a_contact_received(1, queue="orders"))
        await begin.decided(worker)
        (offer,) = of_type(begin.notes.facts, OfferMade)
        clock.advance_ms(1_000)
        await begin.give(a_set_presence("anna", "offline"))
        await begin.decided(worker)
        clock.advance_ms(60_000)
        await begin.give(TimeAdvanced(pool="care", now_ms=clock.now_ms()))
        await begin.decided(worker)
        (forwarded,) = of_type(begin.notes.facts, ContactForwarded)
    async with working(end) as worker:
        await end.decided(worker)
        names = ContactHandedOver.__struct_fields__
        fields = {name: getattr(forwarded, name) for name in names if name != "pool" and hasattr(forwarded, name)}
        clock.advance_ms(1_000)
        await end.give(ContactHandedOver(pool="night", **fields))
        await end.decided(worker)
    return offer.contact_id


@pytest.mark.parametrize("asked", [range(4), (partition_of("night", 4),), (partition_of("care", 4),)])
async def test_a_forwarded_contact_is_explained_where_it_is_with_what_was_before(
    clock: VirtualClock, asked: Sequence[int]
) -> None:
    log = MemoryLog(4, clock)
    contact_id = await two_pools(log, clock)

    told = await explain_contact(log, contact_id, asked)

    assert (told.pool, told.state, told.complete) == ("night", "queued", True)
    types = [entry.type.removeprefix("centralino.") for entry in told.history]
    assert types[:2] == ["contact.queued.v1", "offer.made.v1"]
    assert types.index("contact.forwarded.v1") < len(types) - 1 - types[::-1].index("contact.queued.v1")
    assert [offer.agent_id for offer in told.offers] == ["anna"]
    assert told.waiting is not None
    assert told.waiting.would_help == {"nora": Blocker(obstacle=Obstacle.PRESENCE, subject="offline")}
    assert "to_pool night" in "\n".join(as_lines(told))
