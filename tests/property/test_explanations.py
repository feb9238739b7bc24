"""What is explained is true: whoever is left out is so for exactly the reasons named, and where one thing alone is named as what would help
a contact that waits, it is offered when that thing is done.

The plain rules of `routing_reference` say what is true; the changes are made on copies, by inputs as they come in life.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from libs.common.events.inputs import (
    AgentsSeen,
    AnyInput,
    CancelContact,
    ConfigurePool,
    FinishWrapUp,
    RejectOffer,
    ResolveContact,
    SetPresence,
    TimeAdvanced,
)
from libs.common.events.pool import AgentConfiguration, ChannelConfiguration
from libs.common.events.routing import OfferMade, PoolFact
from libs.common.testing.builders import POOL
from services.router.core.decide_transfer import NAMED
from services.router.core.entities import Agent, Contact
from services.router.core.explain import Blocker, Candidate, Obstacle, Standing, explain_offer, explain_waiting
from services.router.core.model import PoolState
from services.router.core.snapshot import freeze, restore, snapshot_chunks
from services.router.core.step import settle, step
from services.router.core.transitions import ContactState
from services.router.simulator.recorded_start import state_as_facts
from tests.property import routing_reference as plain
from tests.property.test_routing import PoolHistory

WAITING: Final = {ContactState.QUEUED, ContactState.SCHEDULED}
# Over by themselves when the time comes that is named.
PASSING: Final = {Obstacle.DECLINED, Obstacle.BARRED, Obstacle.CALLBACK, Obstacle.CLOSED, Obstacle.OFF_SHIFT}
# Of every state so many contacts and agents are tried.
TRIED_MAX: Final = 3
# And so often each thing that would help: a trial is dear, and the next state is much like this one.
TRIALS_MAX: Final = 40
# What is further away than any back-off is not waited for.
FAR_MS: Final = 11 * 60_000
TRIED: Final[Counter[Obstacle]] = Counter()


def obstacles_by_the_rules(state: PoolState, contact: Contact, agent: Agent, now_ms: int) -> set[Obstacle]:
    """Why the agent may not be offered the contact, by the rules as plainly as they can be said."""
    hand = [c for c in state.contacts.values() if c.agent_id == agent.id and not c.frees_room]
    mine = state.channels.get(contact.channel, ChannelConfiguration(id=contact.channel))
    others = [state.channels.get(c.channel, ChannelConfiguration(id=c.channel)) for c in hand]
    apart = [other for other in others if other.id not in mine.interrupts]
    units = mine.units + sum(other.units for other in apart)
    most = state.rules.offers_open_max
    found = {
        Obstacle.PRESENCE: agent.presence != "available",
        Obstacle.OFF_SHIFT: not plain.on_shift(state, agent),
        Obstacle.CLOSED: not plain.may_be_offered(state, contact),
        Obstacle.CALLBACK: contact.state is ContactState.SCHEDULED,
        Obstacle.CAPACITY: sum(c.channel == contact.channel for c in hand) >= agent.capacity.get(contact.channel, 1),
        Obstacle.UNITS: agent.units is not None and mine.units > 0 and units > agent.units,
        Obstacle.EXCLUDED: any(other.id in mine.excludes or mine.id in other.excludes for other in apart),
        Obstacle.OFFERS_OPEN: most > 0 and sum(c.offer_id is not None for c in hand) >= most,
        Obstacle.RESERVED: plain.only_for(state, contact, now_ms) not in (None, agent.id),
    }
    found |= {
        Obstacle.DECLINED if decline.count else Obstacle.BARRED: True
        for decline in contact.declines
        if decline.agent_id == agent.id and decline.until_ms > now_ms
    }
    return {obstacle for obstacle, holds in found.items() if holds}


def check_standing(state: PoolState, contact: Contact, standing: Standing, now_ms: int) -> None:
    """Everybody is where the rules say, for the reasons that the rules say."""
    later = contact.state is ContactState.SCHEDULED
    able = [a for a in state.agents.values() if not later and plain.may_take(state, a, contact, now_ms)]
    place = plain.PLACES[plain.strategy_of(state, contact)]
    able.sort(key=lambda agent: (*place(state, agent), agent.id))
    assert [candidate.agent_id for candidate in standing.candidates] == [agent.id for agent in able]
    assert [candidate.place for candidate in standing.candidates] == list(range(1, len(able) + 1))
    left_out = {candidate.agent_id: candidate for candidate in standing.left_out}
    assert set(left_out) == set(state.agents) - {agent.id for agent in able}
    for agent_id, candidate in left_out.items():
        check_blockers(state, contact, state.agents[agent_id], candidate, now_ms)


def check_blockers(state: PoolState, contact: Contact, agent: Agent, candidate: Candidate, now_ms: int) -> None:
    assert candidate.blockers
    if agent.removed:
        assert [blocker.obstacle for blocker in candidate.blockers] == [Obstacle.REMOVED]
        return
    missing = [b for b in candidate.blockers if b.obstacle in {Obstacle.SKILL, Obstacle.LEVEL}]
    assert bool(missing) == (not plain.has_skills(agent, contact))
    for blocker in missing:
        assert agent.skills.get(blocker.subject or "", 0) == blocker.has
        assert any((blocker.subject, blocker.asked) in needed for needed in contact.needs)
    named = {blocker.obstacle for blocker in candidate.blockers if blocker not in missing}
    assert named == obstacles_by_the_rules(state, contact, agent, now_ms)
    assert all(blocker.until_ms is None or blocker.until_ms >= now_ms for blocker in candidate.blockers)


class Trial:
    """A copy of a pool in which something is tried."""

    def __init__(self, state: PoolState) -> None:
        self.state = restore(POOL, list(snapshot_chunks(freeze(state), 100_000)))
        self.facts: list[PoolFact] = []
        self._commands = 0

    def give(self, event: AnyInput, at_ms: int | None = None) -> None:
        now_ms = max(self.state.now_ms, at_ms or 0)
        self.facts += step(self.state, event, now_ms)
        assert settle(self.state, now_ms) == []

    def command(self, kind: Any, agent_id: str, **fields: Any) -> None:
        self._commands += 1
        self.give(kind(pool=POOL, command_id=f"try_{self._commands}", agent_id=agent_id, supervising=True, **fields))

    def configure(self, change: Callable[[AgentConfiguration], AgentConfiguration], agent_id: str) -> None:
        """The same configuration, with this agent changed."""
        (configured, *_) = state_as_facts(self.state)
        fields = {
            name: getattr(configured, name) for name in ConfigurePool.__struct_fields__ if hasattr(configured, name)
        }
        agents = tuple(change(agent) if agent.id == agent_id else agent for agent in fields["agents"])
        self.give(ConfigurePool(**{**fields, "agents": agents, "version": "tried"}))

    def free(self, agent_id: str, contact_id: str, concerns: Callable[[Contact], bool]) -> None:
        """Nothing of this sort is in the agent's hands any more, until he is offered the contact."""
        for _ in range(50):
            hand = [c for c in self.state.contacts.values() if c.agent_id == agent_id and c.id != contact_id]
            one = next((c for c in hand if not c.frees_room and concerns(c)), None)
            if one is None or self.is_offered(contact_id):
                return
            if one.offer_id is not None:
                self.command(RejectOffer, agent_id, offer_id=one.offer_id)
            elif one.state is ContactState.WRAP_UP:
                self.command(FinishWrapUp, agent_id, contact_id=one.id)
            else:
                self.command(ResolveContact, agent_id, contact_id=one.id)
        raise AssertionError("what is in hand does not go")

    def is_offered(self, contact_id: str) -> bool:
        return any(isinstance(fact, OfferMade) and fact.contact_id == contact_id for fact in self.facts)


def try_remedy(state: PoolState, contact: Contact, agent_id: str, blocker: Blocker) -> bool:
    """Whether the contact is offered when nobody else waits and this one thing is changed; True where it cannot be told any more."""
    trial = Trial(state)
    for other in list(state.contacts.values()):
        elsewhere = other.state is ContactState.OFFERED and other.agent_id != agent_id
        if (other.state in WAITING or elsewhere) and other.id != contact.id:
            trial.command(CancelContact, "", contact_id=other.id)
    if trial.is_offered(contact.id):
        return True  # Somebody else has the room now that an offer to him would have kept.
    if blocker.obstacle in PASSING:
        return is_offered_in_time(trial, contact, state.agents[agent_id], blocker.until_ms)
    change_what_is_named(trial, contact, agent_id, blocker)
    return trial.is_offered(contact.id)


def change_what_is_named(trial: Trial, contact: Contact, agent_id: str, blocker: Blocker) -> None:
    subject, asked = blocker.subject or "", blocker.asked or 0
    match blocker.obstacle:
        case Obstacle.PRESENCE:
            trial.command(SetPresence, agent_id, target_agent_id=agent_id, status="available")
        case Obstacle.SKILL | Obstacle.LEVEL:
            trial.configure(lambda one: replaced(one, skills={**one.skills, subject: asked}), agent_id)
        case Obstacle.CAPACITY if not blocker.can_pass:
            trial.configure(lambda one: replaced(one, capacity={**one.capacity, subject: 1}), agent_id)
        case Obstacle.UNITS if not blocker.can_pass:
            trial.configure(lambda one: replaced(one, units=asked), agent_id)
            trial.free(agent_id, contact.id, lambda c: True)
        case Obstacle.UNITS:
            trial.free(agent_id, contact.id, lambda c: True)
        case Obstacle.CAPACITY | Obstacle.EXCLUDED:
            trial.free(agent_id, contact.id, lambda c: c.channel == subject)
        case Obstacle.OFFERS_OPEN:
            trial.free(agent_id, contact.id, lambda c: c.offer_id is not None)
        case Obstacle.RESERVED:
            trial.command(SetPresence, subject, target_agent_id=subject, status="break")


def is_offered_in_time(trial: Trial, contact: Contact, agent: Agent, until_ms: int | None) -> bool:
    """Time passes up to the moment named, in which the agent stays and is heard of."""
    if until_ms is None or until_ms > trial.state.now_ms + FAR_MS:
        return True
    at_ms = trial.state.now_ms
    trial.give(AgentsSeen(pool=POOL, agents=tuple(trial.state.agents)), at_ms)
    while at_ms < until_ms and not trial.is_offered(contact.id):
        at_ms = min(until_ms, at_ms + 30_000)
        trial.give(AgentsSeen(pool=POOL, agents=tuple(trial.state.agents)), at_ms)
        trial.give(TimeAdvanced(pool=POOL, now_ms=at_ms), at_ms)
    after = trial.state.contacts.get(contact.id)
    # What overflows or comes to other terms meanwhile, and who is called away or gets something else, is another matter.
    if after is None or after.queue != contact.queue or after.callback != contact.callback:
        return True
    return trial.is_offered(contact.id) or trial.state.agents[agent.id].presence != agent.presence


def replaced(agent: AgentConfiguration, **fields: Any) -> AgentConfiguration:
    return AgentConfiguration(**{name: getattr(agent, name) for name in agent.__struct_fields__} | fields)


class ExplainedHistory(PoolHistory):
    """Every explanation that could be asked for is looked at."""

    def give(self, event: AnyInput, leap_ms: int = 0, limit: int = 500) -> list[PoolFact]:
        facts = super().give(event, leap_ms, limit)
        now_ms = self.state.now_ms
        waiting = [contact for contact in self.state.contacts.values() if contact.state in WAITING]
        for contact in waiting:
            told = explain_waiting(self.state, contact.id, now_ms)
            assert told == explain_waiting(self.folded, contact.id, now_ms)
            check_standing(self.state, contact, told.standing, now_ms)
        for contact in waiting[:TRIED_MAX]:
            told = explain_waiting(self.state, contact.id, now_ms)
            for agent_id, blocker in list(told.would_help.items())[:TRIED_MAX]:
                if TRIED[blocker.obstacle] < TRIALS_MAX:
                    assert try_remedy(self.state, contact, agent_id, blocker), (blocker, contact)
                    TRIED[blocker.obstacle] += 1
        return facts

    def check_explained(self, offer: OfferMade) -> None:
        super().check_explained(offer)
        told = explain_offer(self.folded, offer)
        contact = self.folded.contacts[offer.contact_id]
        if offer.reason.strategy == NAMED:  # Whoever a colleague names is offered it, whatever he lacks.
            assert [candidate.agent_id for candidate in told.standing.candidates] == [offer.agent_id]
        else:
            check_standing(self.folded, contact, told.standing, offer.at_ms)
        ahead = [c for c in self.folded.contacts.values() if c.state == "queued" and c.rank < contact.rank]
        assert told.overtaken == len(ahead)
        assert told.policy_version == self.folded.version


def test_what_is_explained_is_true_and_what_would_help_helps() -> None:
    TRIED.clear()
    run_state_machine_as_test(
        ExplainedHistory,
        settings=settings(
            max_examples=120,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # To make an example smaller would take many trials more.
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert len(TRIED) >= 6, TRIED
