"""A recorded day that runs again under the rules of then: the same people have the same contacts at the same times, whatever happened."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from libs.common.events.inputs import (
    AnyInput,
    CallbackWish,
    CancelContact,
    ConfigurePool,
    ReportNotReached,
    RequestCallback,
)
from libs.common.events.pool import (
    AgentConfiguration,
    Calendar,
    CallbackConfiguration,
    Overflow,
    QueueConfiguration,
)
from libs.common.events.routing import (
    CallbackMissed,
    CallbackScheduled,
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactMoved,
    ContactRequeued,
)
from services.router.simulator.engine import Arrival, Interlude, Simulation
from services.router.simulator.journal import Journal
from services.router.simulator.plans import run_plan
from services.router.simulator.poisson import a_contact
from services.router.simulator.recorded_plan import plan_recording
from services.router.simulator.recording import Recording
from tests.unit.simulator.test_recording import Facts, presence

POOL: Final = "care"
MINUTE_MS: Final = 60_000
AGENTS: Final = (
    AgentConfiguration(id="anna", name="Anna", skills={"orders": 3}, capacity={"email": 1, "voice": 1}),
    AgentConfiguration(id="bruno", name="Bruno", skills={"orders": 3}, capacity={"email": 1, "voice": 1}),
)


def a_pool(*queues: QueueConfiguration, calendars: tuple[Calendar, ...] = ()) -> list[tuple[int, AnyInput]]:
    """Two who can do the same."""
    configured = ConfigurePool(pool=POOL, version="1", queues=queues, agents=AGENTS, calendars=calendars)
    return [(0, configured), *((0, presence(agent.id, "available", 0)) for agent in AGENTS)]


def orders(**fields: Any) -> QueueConfiguration:
    return QueueConfiguration(**{"id": "orders", "skills": {"orders": 1}, "target_ms": MINUTE_MS, **fields})


def an_arrival(number: int, at_ms: int, handling_ms: int, customer: int | None = None, **fields: Any) -> Arrival:
    """`customer`: who calls from a number, here more than once perhaps."""
    event = a_contact(POOL, f"con_{number}", queue=fields.pop("queue", "orders"), channel="email", at_ms=at_ms)
    if customer is not None:
        message = msgspec.structs.replace(event.message, handle=f"tel:+3902000{customer:03}")
        event = msgspec.structs.replace(event, message=message, callback=fields.pop("callback", None))
    return Arrival(at_ms=at_ms, event=event, handling_ms=handling_ms, **fields)


def a_day(inputs: list[tuple[int, AnyInput]], arrivals: list[Arrival], *more: tuple[int, AnyInput]) -> Facts:
    facts = Facts()
    given = sorted([*inputs, *more], key=lambda pair: pair[0])
    Simulation(POOL, inputs=given, arrivals=arrivals, observer=facts).run()
    return facts


def ways(journal: Journal) -> list[tuple[Any, ...]]:
    """What became of each contact: when it came, when and with whom it was, when it was over or left."""
    return [
        (visit.received_ms, visit.queue, visit.assigned_ms, visit.agent_id, visit.resolved_ms, visit.left_ms)
        for visit in journal.visits.values()
    ]


def again(facts: Facts) -> tuple[Recording, Journal]:
    """What was recorded of these facts, and what the simulation makes of it."""
    end_ms = facts[-1].at_ms + 1
    recording = Recording(pool=POOL, from_ms=0, to_ms=end_ms, end_ms=end_ms, journal=Journal(from_ms=0, to_ms=end_ms))
    for fact in facts:
        recording.note(fact)
    recording.journal.close(end_ms)
    return recording, run_plan(plan_recording(recording, seed=1))


def assert_comes_out_the_same(facts: Facts) -> None:
    recording, journal = again(facts)
    assert ways(journal) == ways(recording.journal)
    was = {name: (agent.busy_ms, agent.contact_ms) for name, agent in recording.journal.agents.items()}
    assert {name: (agent.busy_ms, agent.contact_ms) for name, agent in journal.agents.items()} == was


def kinds(facts: Facts) -> set[type]:
    return {type(fact) for fact in facts}


def test_who_takes_over_from_somebody_who_went_home_goes_on_with_the_same_conversation() -> None:
    # given a long conversation that anna leaves in the middle, and one that she has put aside then
    aside = Interlude(work_ms=20_000, held_ms=600_000)
    facts = a_day(
        a_pool(orders()),
        [
            an_arrival(1, 1_000, 300_000),
            an_arrival(2, 2_000, 50_000),
            an_arrival(3, 70_000, 30_000, interludes=(aside,)),
        ],
        (150_000, presence("anna", "offline", 1)),
        (160_000, presence("bruno", "offline", 1)),
        (400_000, presence("bruno", "available", 2)),
    )

    assert sum(isinstance(fact, ContactRequeued) for fact in facts) == 3
    assert_comes_out_the_same(facts)


def test_a_customer_who_comes_back_is_still_known_to_whom_he_was_with() -> None:
    # given bruno, who has a customer twice, because he had him before, though anna has been idle for longer
    facts = a_day(
        a_pool(orders(prefer_last_agent_ms=MINUTE_MS)),
        [
            an_arrival(1, 1_000, 10_000),
            an_arrival(2, 2_000, 30_000, customer=1),
            an_arrival(3, 40_000, 10_000, customer=1),
        ],
    )

    assert facts.of(ContactAssigned) == [(1_000, "anna"), (2_000, "bruno"), (40_000, "bruno")]
    assert_comes_out_the_same(facts)


def test_calls_that_agents_plan_and_that_nobody_answers_are_made_again() -> None:
    # given a customer who is to be called, by the agent's wish, and is not reached at first; and one who is never reached
    ask = RequestCallback(pool=POOL, command_id="", agent_id="", contact_id="")
    missed = ReportNotReached(pool=POOL, command_id="", agent_id="", contact_id="")
    courses = [
        (Interlude(work_ms=5_000, held_ms=30_000, command=ask), Interlude(work_ms=9_000, command=missed)),
        (Interlude(work_ms=4_000, command=ask), *[Interlude(work_ms=8_000, command=missed)] * 2),
    ]
    facts = a_day(
        a_pool(orders(callback=CallbackConfiguration(attempts=2, retry_ms=MINUTE_MS))),
        [
            an_arrival(number, 1_000 * number, 20_000, customer=number, interludes=course)
            for number, course in enumerate(courses, 1)
        ],
    )

    assert [type(fact) for fact in facts].count(CallbackScheduled) == 2
    assert {CallbackMissed, ContactCancelled} <= kinds(facts)
    assert_comes_out_the_same(facts)


def test_calls_that_customers_ask_for_and_that_overflow_plans_are_made_again() -> None:
    # given one who asks for a call on coming, one who asks for it while waiting, and one who is called because of the long wait
    wish = CallbackWish(handle="tel:+3902000001", not_before_ms=200_000)
    rule = Overflow(when="waited", at_least=90_000, to="callback")
    asks = RequestCallback(
        pool=POOL,
        command_id="x",
        agent_id="",
        supervising=True,
        contact_id="con_4",
        handle="tel:+3902000004",
        not_before_ms=180_000,
    )
    facts = a_day(
        a_pool(orders(overflow=(rule,))),
        [
            an_arrival(1, 1_000, 150_000),
            an_arrival(2, 2_000, 155_000),
            an_arrival(3, 3_000, 10_000, customer=1, callback=wish),
            an_arrival(4, 4_000, 10_000, customer=4),
            an_arrival(5, 5_000, 10_000, customer=5),
        ],
        (20_000, asks),
    )

    scheduled = [(fact.contact_id, fact.cause) for fact in facts if isinstance(fact, CallbackScheduled)]
    assert scheduled == [("con_3", "customer"), ("con_4", "agent"), ("con_5", "overflow")]
    recording, _ = again(facts)
    recording.received = {f"msg_con_{3}": an_arrival(3, 3_000, 0, customer=1, callback=wish).event}
    journal = run_plan(plan_recording(recording, seed=1))
    assert ways(journal) == ways(recording.journal)


def test_customers_who_left_and_queues_that_were_closed_or_overflowed_come_out_the_same() -> None:
    # given a shop that opens after a minute, a queue that hands over who waits for long, and customers who leave
    shop = Calendar(id="shop", spans=((MINUTE_MS, 100 * MINUTE_MS),), until_ms=200 * MINUTE_MS)
    general = QueueConfiguration(id="general", skills={"rare": 1}, target_ms=MINUTE_MS, hours="shop")
    moving = msgspec.structs.replace(
        general, overflow=(Overflow(when="waited", at_least=30_000, to="queue", target="orders"),)
    )
    facts = a_day(
        a_pool(orders(hours="shop"), moving, calendars=(shop,)),
        [
            an_arrival(1, 1_000, 80_000),
            an_arrival(2, 2_000, 70_000, patience_ms=20_000),
            an_arrival(3, 3_000, 60_000),
            an_arrival(4, 4_000, 50_000),
            an_arrival(5, 61_000, 40_000, queue="general"),
            an_arrival(6, 62_000, 40_000, patience_ms=50_000),
        ],
    )

    assert {ContactAbandoned, ContactMoved} <= kinds(facts)
    assert_comes_out_the_same(facts)


def test_work_on_a_contact_that_is_cancelled_in_the_middle_is_done_again() -> None:
    # given a contact that turns out to be none, after a while; the next customer waits meanwhile
    cancel = CancelContact(pool=POOL, command_id="x", agent_id="anna", contact_id="con_1", reason="spam")
    facts = a_day(
        a_pool(orders()),
        [an_arrival(number, 1_000 * number, 100_000) for number in (1, 2, 3)],
        (61_000, cancel),
    )

    assert ContactCancelled in kinds(facts)
    recording, journal = again(facts)
    assert [way[:4] for way in ways(journal)] == [way[:4] for way in ways(recording.journal)]
    assert journal.agents["anna"].busy_ms == recording.journal.agents["anna"].busy_ms
