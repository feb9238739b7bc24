"""What is recorded of contacts that are put aside and passed on can be run again, and comes out the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest

from libs.common.events.inputs import AnyInput, ConfigurePool, SetPresence, TransferContact
from libs.common.events.pool import AgentConfiguration, QueueConfiguration
from libs.common.events.routing import ContactAssigned, ContactHeld, ContactQueued, ContactResolved, ContactTransferred
from services.router.simulator.engine import Arrival, Interlude, Simulation
from services.router.simulator.journal import Journal
from services.router.simulator.plans import run_plan
from services.router.simulator.poisson import a_contact
from services.router.simulator.recorded_plan import plan_recording
from services.router.simulator.recording import Recording

POOL: Final = "care"


class Facts(list[Any]):
    """Everything that happens."""

    note = list.append

    def of(self, kind: type) -> list[tuple[int, str]]:
        """When, and with whom."""
        found: list[Any] = [fact for fact in self if isinstance(fact, kind)]
        return [(fact.at_ms, fact.agent_id) for fact in found]


def presence(agent: str, status: str, number: int) -> SetPresence:
    return SetPresence(pool=POOL, command_id=f"{agent}-{number}", agent_id=agent, target_agent_id=agent, status=status)


def a_pool() -> list[tuple[int, AnyInput]]:
    """Anna answers orders; Bruno refunds, too."""
    agents = (
        AgentConfiguration(id="anna", name="Anna", skills={"orders": 3}),
        AgentConfiguration(id="bruno", name="Bruno", skills={"refunds": 3}),
    )
    queues = (
        QueueConfiguration(id="orders", skills={"orders": 1}, target_ms=60_000),
        QueueConfiguration(id="refunds", skills={"refunds": 1}, target_ms=60_000),
    )
    return [
        (0, ConfigurePool(pool=POOL, version="1", queues=queues, agents=agents)),
        *((0, presence(agent.id, "available", 0)) for agent in agents),
    ]


def a_transfer() -> TransferContact:
    return TransferContact(pool=POOL, command_id="", agent_id="", contact_id="", queue="refunds")


def an_arrival(*interludes: Interlude, number: int = 1, at_ms: int = 1_000, channel: str = "email") -> Arrival:
    event = a_contact(POOL, f"con_{number}", queue="orders", channel=channel, at_ms=at_ms)
    return Arrival(at_ms=at_ms, event=event, handling_ms=5_000, interludes=interludes)


def simulate(arrivals: Sequence[Arrival], *more: tuple[int, AnyInput]) -> Facts:
    facts = Facts()
    inputs = sorted([*a_pool(), *more], key=lambda pair: pair[0])
    Simulation(POOL, inputs=inputs, arrivals=arrivals, observer=facts).run()
    return facts


def recorded(facts: Facts) -> Recording:
    end_ms = facts[-1].at_ms + 1
    recording = Recording(pool=POOL, from_ms=0, to_ms=end_ms, end_ms=end_ms, journal=Journal(from_ms=0, to_ms=end_ms))
    for fact in facts:
        recording.note(fact)
    recording.journal.close(end_ms)
    return recording


def test_a_contact_is_put_aside_and_passed_on_as_its_course_says() -> None:
    # given a contact that is put aside for nine seconds, and passed on seven seconds after that
    aside, onward = Interlude(work_ms=2_000, held_ms=9_000), Interlude(work_ms=7_000, command=a_transfer())

    # when
    facts = simulate([an_arrival(aside, onward)])

    # then
    assert facts.of(ContactHeld) == [(3_000, "anna")]
    assert facts.of(ContactTransferred) == [(19_000, "anna")]
    assert facts.of(ContactAssigned) == [(1_000, "anna"), (19_000, "bruno")]
    assert facts.of(ContactResolved) == [(24_000, "bruno")]


def test_room_that_is_free_meanwhile_is_used_and_the_customer_waits_for_room_to_come_back() -> None:
    # given an agent with room for one mail, and a second contact that comes while the first is put aside
    first = an_arrival(Interlude(work_ms=1_000, held_ms=2_000, by_customer=True))
    facts = simulate([first, an_arrival(number=2, at_ms=2_500)])

    # then the first goes on when the second is done, though its customer wrote before
    assert facts.of(ContactAssigned) == [(1_000, "anna"), (2_500, "anna")]
    assert facts.of(ContactResolved) == [(7_500, "anna"), (12_500, "anna")]
    # and nobody was busy twice at once
    journal = recorded(facts).journal
    assert journal.agents["anna"].contact_ms == journal.agents["anna"].busy_ms == 1_000 + 5_000 + 5_000


@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "leaves in the middle"])
def test_what_was_recorded_runs_again_and_comes_out_the_same(leaves: bool) -> None:
    # given contacts that were put aside and passed on, and perhaps an agent who left and came back
    aside = Interlude(work_ms=1_500, held_ms=4_000, by_customer=True)
    briefly = Interlude(work_ms=500, held_ms=700)
    onward = Interlude(work_ms=2_500, command=a_transfer())
    courses = [(aside,), (onward,), (), (briefly, onward, aside), (onward, aside), (aside, briefly)]
    arrivals = [
        an_arrival(*course, number=number, at_ms=1_000 + 3_000 * number) for number, course in enumerate(courses)
    ]
    goings: list[tuple[int, AnyInput]] = [
        (9_000, presence("anna", "offline", 1)),
        (15_000, presence("anna", "available", 2)),
    ]
    facts = simulate(arrivals, *(goings if leaves else ()))
    recording = recorded(facts)

    # when
    again = run_plan(plan_recording(recording, seed=1))

    # then every contact was there, and was done at the same time by the same person
    assert sum(isinstance(fact, ContactQueued) for fact in facts) == len(courses)
    was = [
        (visit.received_ms, visit.assigned_ms, visit.resolved_ms, visit.agent_id)
        for visit in recording.journal.visits.values()
    ]
    now = [(visit.received_ms, visit.assigned_ms, visit.resolved_ms, visit.agent_id) for visit in again.visits.values()]
    assert now == was
    assert all(resolved_ms for _, _, resolved_ms, _ in was)
    assert {name: agent.busy_ms for name, agent in again.agents.items()} == {
        name: agent.busy_ms for name, agent in recording.journal.agents.items()
    }
