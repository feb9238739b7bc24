"""The simulation drives the core as people and the shell do: every input at its time, and nothing that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from libs.common.events.inputs import AnyInput, CallbackWish, ConfigurePool, SetPresence
from libs.common.events.pool import AgentConfiguration, QueueConfiguration
from libs.common.events.routing import (
    ContactAbandoned,
    ContactAssigned,
    ContactRequeued,
    ContactResolved,
    InputRefused,
    OfferExpired,
    OfferMade,
    OfferRejected,
    WrapUpStarted,
)
from services.router.core.invariants import check
from services.router.simulator.engine import Answer, Answering, Arrival, Simulation, answer_at_once
from services.router.simulator.journal import Journal
from services.router.simulator.poisson import a_contact

POOL: Final = "care"
QUEUE: Final = "orders"


class Watcher(Journal):
    """A journal that keeps the facts, too."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.facts: list[Any] = []

    def note(self, fact: Any) -> None:
        self.facts.append(fact)
        super().note(fact)

    def of(self, *kinds: type) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kinds)]


def a_pool(agents: Sequence[str], *, queue: QueueConfiguration | None = None) -> list[tuple[int, AnyInput]]:
    configured = tuple(AgentConfiguration(id=agent, name=agent) for agent in agents)
    queues = (queue or QueueConfiguration(id=QUEUE, target_ms=60_000),)
    return [
        (0, ConfigurePool(pool=POOL, version="1", queues=queues, agents=configured)),
        *((0, presence(agent)) for agent in agents),
    ]


def presence(agent: str, status: str = "available", number: int = 1) -> SetPresence:
    return SetPresence(pool=POOL, command_id=f"{agent}-{number}", agent_id=agent, target_agent_id=agent, status=status)


def an_arrival(number: int, at_ms: int, handling_ms: int = 1_000, **fields: Any) -> Arrival:
    event = a_contact(POOL, f"con_{number}", queue=QUEUE, channel="voice", at_ms=at_ms)
    return Arrival(at_ms=at_ms, event=event, handling_ms=handling_ms, **fields)


def simulate(
    inputs: Iterable[tuple[int, AnyInput]],
    arrivals: Iterable[Arrival],
    *,
    answering: Answering = answer_at_once,
    **fields: Any,
) -> Watcher:
    watcher = Watcher()
    simulation = Simulation(POOL, inputs=inputs, arrivals=arrivals, observer=watcher, answering=answering, **fields)
    simulation.run()
    check(simulation.state, settled_at_ms=simulation.now_ms)
    watcher.close(simulation.now_ms)
    assert watcher.of(InputRefused) == []
    return watcher


def test_contacts_are_served_one_after_the_other() -> None:
    # given one agent, and two contacts of which the second comes while the first is handled
    watcher = simulate(a_pool(["anna"]), [an_arrival(1, 1_000, 500), an_arrival(2, 1_200, 300)])

    # then
    first, second = watcher.visits.values()
    assert (first.assigned_ms, first.resolved_ms, first.wait_ms) == (1_000, 1_500, 0)
    assert (second.assigned_ms, second.resolved_ms, second.wait_ms) == (1_500, 1_800, 300)
    assert watcher.agents["anna"].busy_ms == 800
    assert watcher.agents["anna"].handled == 2


def test_an_answer_takes_its_time() -> None:
    watcher = simulate(a_pool(["anna"]), [an_arrival(1, 1_000)], answering=lambda offer: Answer(2_500))

    assert [fact.at_ms for fact in watcher.of(ContactAssigned)] == [3_500]


def test_an_offer_that_is_declined_goes_to_the_next() -> None:
    # given an agent who declines
    def answer(offer: OfferMade) -> Answer:
        return Answer(1_000, accepts=offer.agent_id != "anna")

    watcher = simulate(a_pool(["anna", "bruno"]), [an_arrival(1, 1_000)], answering=answer)

    # then
    assert [fact.agent_id for fact in watcher.of(OfferRejected)] == ["anna"]
    visit = watcher.visits["con_1"]
    assert (visit.agent_id, visit.wait_ms, visit.offers, visit.declined) == ("bruno", 2_000, 2, 1)


def test_an_offer_that_nobody_answers_runs_out_in_time() -> None:
    # given an agent who does not look, and time-outs of 20 s
    watcher = simulate(
        a_pool(["anna", "bruno"]),
        [an_arrival(1, 1_000)],
        answering=lambda offer: None if offer.agent_id == "anna" else Answer(0),
    )

    # then
    assert [fact.at_ms for fact in watcher.of(OfferExpired)] == [21_000]
    assert watcher.visits["con_1"].agent_id == "bruno"


def test_a_customer_without_patience_leaves_and_takes_nobody_s_time() -> None:
    # given a contact that is handled for long, and two that wait for it, of which the first gives up
    watcher = simulate(
        a_pool(["anna"]),
        [an_arrival(1, 0, 10_000), an_arrival(2, 1_000, 5_000, patience_ms=2_000), an_arrival(3, 2_000, 1_000)],
    )

    # then
    assert watcher.visits["con_2"].left_ms == 3_000
    assert watcher.visits["con_2"].wait_ms == 2_000
    assert watcher.visits["con_2"].assigned_ms is None
    assert watcher.visits["con_3"].assigned_ms == 10_000
    assert watcher.agents["anna"].handled == 2


def test_no_patience_at_all_is_enough_where_somebody_is_free() -> None:
    watcher = simulate(a_pool(["anna"]), [an_arrival(1, 1_000, patience_ms=0)])

    assert watcher.visits["con_1"].left_ms is None
    assert watcher.visits["con_1"].resolved_ms == 2_000


def test_wrap_up_ends_when_the_agent_says_so_or_when_its_time_is_over() -> None:
    # given a queue with 30 s of wrap-up, one contact whose agent is ready earlier, one whose agent is not
    queue = QueueConfiguration(id=QUEUE, target_ms=60_000, wrap_up_ms=30_000)
    watcher = simulate(
        a_pool(["anna"], queue=queue), [an_arrival(1, 0, 1_000, wrap_up_ms=5_000), an_arrival(2, 0, 1_000)]
    )

    # then
    assert [fact.at_ms for fact in watcher.of(WrapUpStarted)] == [1_000, 7_000]
    assert [fact.at_ms for fact in watcher.of(ContactResolved)] == [6_000, 37_000]


def test_who_signs_out_gives_back_and_the_next_goes_on_with_the_conversation() -> None:
    # given an agent who signs out in the middle, and another who comes later
    inputs = [
        *a_pool(["anna"])[:1],
        (
            0,
            ConfigurePool(
                pool=POOL,
                version="2",
                queues=(QueueConfiguration(id=QUEUE),),
                agents=(AgentConfiguration(id="anna", name="Anna"), AgentConfiguration(id="bruno", name="Bruno")),
            ),
        ),
        (0, presence("anna")),
        (2_000, presence("anna", "offline", 2)),
        (5_000, presence("bruno")),
    ]

    watcher = simulate(inputs, [an_arrival(1, 1_000, 4_000)])

    # then it is resolved once, by the second, and its wait is until the first had it
    assert [fact.at_ms for fact in watcher.of(ContactRequeued)] == [2_000]
    assert [(fact.agent_id, fact.at_ms) for fact in watcher.of(ContactResolved)] == [("bruno", 8_000)]
    assert watcher.visits["con_1"].wait_ms == 0
    assert watcher.agents["anna"].busy_ms == 1_000


def test_it_ends_at_its_end() -> None:
    # given an agent who never answers
    watcher = simulate(a_pool(["anna"]), [an_arrival(1, 0)], answering=lambda offer: None, end_ms=600_000)

    # then it was tried again and again, until the end
    assert 1 < len(watcher.of(OfferExpired)) < 10
    assert watcher.facts[-1].at_ms <= 600_000


def test_agents_times_count_within_the_window_alone() -> None:
    watcher = Watcher(from_ms=2_000, to_ms=4_000)
    Simulation(POOL, inputs=a_pool(["anna"]), arrivals=[an_arrival(1, 1_000, 2_000)], observer=watcher).run()
    watcher.close(10_000)

    agent = watcher.agents["anna"]
    assert (agent.available_ms, agent.busy_ms, agent.occupancy) == (2_000, 1_000, 0.5)


def test_wrap_up_without_an_end_lasts_until_the_agent_is_done() -> None:
    queue = QueueConfiguration(id=QUEUE, target_ms=60_000, wrap_up_ms=-1)
    watcher = simulate(
        a_pool(["anna"], queue=queue), [an_arrival(1, 0, 1_000, wrap_up_ms=90_000), an_arrival(2, 0, 1_000)]
    )

    assert [fact.at_ms for fact in watcher.of(ContactResolved)] == [91_000, 92_000]


def test_who_let_too_many_offers_run_out_says_some_time_that_he_is_there() -> None:
    # given one agent who does not look at first, and is held to be away after three offers
    asked = 0

    def answer(offer: OfferMade) -> Answer | None:
        nonlocal asked
        asked += 1
        return None if asked <= 3 else Answer(0)

    arrivals = [an_arrival(number, 0) for number in range(1, 4)]
    watcher = simulate(a_pool(["anna"]), arrivals, answering=answer, back_ms=300_000)

    # then he gets no offers until he is back, and then all of them
    assert [fact.at_ms for fact in watcher.of(OfferExpired)] == [20_000, 40_000, 60_000]
    assert [fact.at_ms for fact in watcher.of(ContactAssigned)] == [360_000, 361_000, 362_000]


def test_who_is_called_back_does_not_lose_patience() -> None:
    # given two customers whom nobody can answer before their patience ends, one of whom wants to be called
    waits = an_arrival(1, 1_000, patience_ms=5_000)
    wish = CallbackWish(handle="tel:+393331234567", not_before_ms=30_000)
    event = msgspec.structs.replace(an_arrival(2, 1_000).event, callback=wish)
    called = Arrival(at_ms=1_000, event=event, handling_ms=1_000, patience_ms=5_000)
    inputs = [*a_pool(["anna"])[:1], (20_000, presence("anna"))]
    # when an agent comes late
    watcher = simulate(inputs, [waits, called])
    # then one has left, and the other is called when he wanted to be
    assert [fact.contact_id for fact in watcher.of(ContactAbandoned)] == ["con_1"]
    [offer] = watcher.of(OfferMade)
    assert (offer.contact_id, offer.at_ms) == ("con_2", 30_000)
    assert watcher.visits["con_2"].left_ms is None
