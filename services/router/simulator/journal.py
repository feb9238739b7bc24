"""What became of every contact, and how every agent spent the time: a fold of facts, simulated or from a log.

Makes no statistics (see `measures`) and knows nothing of where the facts come from. Facts that do not concern it are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from libs.common.events.routing import (
    CalendarTurned,
    CallbackMissed,
    CallbackScheduled,
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactForwarded,
    ContactHeld,
    ContactMerged,
    ContactQueued,
    ContactRequeued,
    ContactResolved,
    ContactReturned,
    ContactTransferred,
    ContactUnheld,
    OfferExpired,
    OfferMade,
    OfferRejected,
    PoolConfigured,
    PoolFact,
    PresenceChanged,
    WaitExpected,
)
from services.router.core.overflow import CAUSE_OVERFLOW, ROUTER

_AVAILABLE: Final = "available"


@dataclass(slots=True, kw_only=True)
class Visit:
    """One contact's way through the pool. `assigned_ms`: when somebody had it for the first time; `left_ms`: the customer went first.

    `told_ms`: when it was said that it waits, `expected_ms` for how long from then on (None: nobody knew).

    `agent_id`: who had it last; `held`: he has it still; `aside`: but has put it aside and has room for another one meanwhile.
    """

    contact_id: str
    queue: str
    channel: str
    received_ms: int
    due_ms: int
    agent_id: str | None = None
    held: bool = False
    aside: bool = False
    assigned_ms: int | None = None
    resolved_ms: int | None = None
    left_ms: int | None = None
    told_ms: int | None = None
    expected_ms: int | None = None
    offers: int = 0
    declined: int = 0
    expired: int = 0

    @property
    def wait_ms(self) -> int | None:
        """Until somebody had it, or until the customer left; None while neither has happened."""
        if self.left_ms is not None:
            return self.left_ms - self.received_ms
        return None if self.assigned_ms is None else self.assigned_ms - self.received_ms


@dataclass(slots=True, kw_only=True)
class AgentTime:
    """How an agent spent the time between `from_ms` and `to_ms` of the journal.

    `available_ms`: being available, and on the own shift where there is one; `busy_ms`: of that, with a contact in hand (assigned,
    until it is resolved); `contact_ms`: the same, counted for each contact in hand.
    """

    agent_id: str
    available: bool = False
    shift: str | None = None
    in_hand: int = 0
    since_ms: int = 0
    available_ms: int = 0
    busy_ms: int = 0
    contact_ms: int = 0
    handled: int = 0

    @property
    def occupancy(self) -> float:
        """The share of the available time with a contact in hand; 0 for who was never available."""
        return self.busy_ms / self.available_ms if self.available_ms else 0.0


@dataclass(slots=True, kw_only=True)
class Journal:
    """Contacts in the order of arrival, by id; agents by id. Agents' times count between `from_ms` and `to_ms` alone."""

    from_ms: int = 0
    to_ms: int | None = None
    visits: dict[str, Visit] = field(default_factory=dict)
    agents: dict[str, AgentTime] = field(default_factory=dict)
    open_calendars: dict[str, None] = field(default_factory=dict)

    def note(self, fact: PoolFact) -> None:
        """The next fact."""
        fold = _FOLDS.get(type(fact))
        if fold is not None:
            fold(self, fact)

    def close(self, at_ms: int) -> None:
        """Nothing happens after this: count the agents' times up to here."""
        for agent in self.agents.values():
            self._pass_time(agent, at_ms)

    def _pass_time(self, agent: AgentTime, at_ms: int) -> None:
        end_ms = at_ms if self.to_ms is None else min(at_ms, self.to_ms)
        passed_ms = end_ms - max(agent.since_ms, self.from_ms)
        agent.since_ms = at_ms
        if passed_ms > 0 and agent.available and (agent.shift is None or agent.shift in self.open_calendars):
            agent.available_ms += passed_ms
            agent.contact_ms += passed_ms * agent.in_hand
            if agent.in_hand:
                agent.busy_ms += passed_ms

    def _queue(self, fact: ContactQueued) -> None:
        self.visits[fact.contact_id] = Visit(
            contact_id=fact.contact_id,
            queue=fact.queue,
            channel=fact.channel,
            received_ms=fact.received_ms,
            due_ms=fact.due_ms,
        )

    def _tell(self, fact: WaitExpected) -> None:
        visit = self.visits.get(fact.contact_id)
        if visit is not None:
            visit.told_ms = fact.at_ms
            visit.expected_ms = fact.expected_wait_ms

    def _offer(self, fact: OfferMade) -> None:
        visit = self.visits.get(fact.contact_id)
        if visit is not None:
            visit.offers += 1

    def _reject(self, fact: OfferRejected) -> None:
        visit = self.visits.get(fact.contact_id)
        if visit is not None:
            visit.declined += 1

    def _expire(self, fact: OfferExpired) -> None:
        visit = self.visits.get(fact.contact_id)
        if visit is not None:
            visit.expired += 1

    def _assign(self, fact: ContactAssigned) -> None:
        visit = self.visits.get(fact.contact_id)
        if visit is not None and visit.left_ms is None:
            visit.agent_id = fact.agent_id
            visit.held = True
            if visit.assigned_ms is None:
                visit.assigned_ms = fact.at_ms
        self._change_hands(fact.agent_id, 1, fact.at_ms)

    def _requeue(self, fact: ContactRequeued | ContactTransferred) -> None:
        self._hand_over(fact.contact_id, fact.agent_id, fact.at_ms)

    def _put_off(self, fact: CallbackScheduled | CallbackMissed) -> None:
        if fact.agent_id is not None:
            self._hand_over(fact.contact_id, fact.agent_id, fact.at_ms)

    def _hand_over(self, contact_id: str, agent_id: str, at_ms: int) -> AgentTime:
        """The agent has the contact no more. One that was put aside was not counted as in hand."""
        visit = self.visits.get(contact_id)
        aside = visit is not None and visit.aside
        if visit is not None:
            visit.held = visit.aside = False
        return self._change_hands(agent_id, 0 if aside else -1, at_ms)

    def _put_aside(self, fact: ContactHeld) -> None:
        visit = self.visits.get(fact.contact_id)
        if visit is not None and fact.frees_room:
            visit.aside = True
            self._change_hands(fact.agent_id, -1, fact.at_ms)

    def _go_on(self, fact: ContactUnheld) -> None:
        visit = self.visits.get(fact.contact_id)
        if visit is not None and visit.aside:
            visit.aside = False
            self._change_hands(fact.agent_id, 1, fact.at_ms)

    def _abandon(self, fact: ContactAbandoned) -> None:
        visit = self.visits.get(fact.contact_id)
        if visit is not None and visit.assigned_ms is None:
            visit.left_ms = fact.at_ms

    def _return(self, fact: ContactReturned) -> None:
        visit = self.visits.get(fact.contact_id)
        if visit is not None:
            visit.left_ms = None

    def _cancel(self, fact: ContactCancelled) -> None:
        if fact.agent_id is not None:
            self._hand_over(fact.contact_id, fact.agent_id, fact.at_ms)
        visit = self.visits.get(fact.contact_id)
        if visit is not None and fact.reason == CAUSE_OVERFLOW and fact.by == ROUTER:
            visit.left_ms = fact.at_ms  # Nobody answered, as if the customer had gone.
        elif visit is not None and visit.assigned_ms is None:
            # It was no wish of a customer's that anybody failed to answer: a mistake, or spam.
            del self.visits[fact.contact_id]

    def _forward(self, fact: ContactForwarded | ContactMerged) -> None:
        """Another pool's contact now, or part of one that is counted."""
        self.visits.pop(fact.contact_id, None)

    def _resolve(self, fact: ContactResolved) -> None:
        visit = self.visits.get(fact.contact_id)
        if visit is not None and not visit.held:
            self._resolve_waiting(visit, fact.at_ms)
            return
        agent = self._hand_over(fact.contact_id, fact.agent_id, fact.at_ms)
        if visit is None:
            return
        visit.resolved_ms = fact.at_ms
        if fact.at_ms >= self.from_ms and (self.to_ms is None or fact.at_ms < self.to_ms):
            agent.handled += 1

    def _resolve_waiting(self, visit: Visit, at_ms: int) -> None:
        """Somebody who did not have it said that it is done. What nobody ever had is as if it were cancelled."""
        if visit.assigned_ms is None:
            del self.visits[visit.contact_id]
        else:
            visit.resolved_ms = at_ms

    def _change_hands(self, agent_id: str, change: int, at_ms: int) -> AgentTime:
        agent = self._agent(agent_id, at_ms)
        self._pass_time(agent, at_ms)
        agent.in_hand = max(0, agent.in_hand + change)
        return agent

    def _change_presence(self, fact: PresenceChanged) -> None:
        agent = self._agent(fact.agent_id, fact.at_ms)
        self._pass_time(agent, fact.at_ms)
        agent.available = fact.status == _AVAILABLE

    def _configure(self, fact: PoolConfigured) -> None:
        for configured in fact.agents:
            agent = self._agent(configured.id, fact.at_ms)
            self._pass_time(agent, fact.at_ms)
            agent.shift = configured.shift

    def _turn(self, fact: CalendarTurned) -> None:
        for agent in self.agents.values():
            if agent.shift == fact.calendar:
                self._pass_time(agent, fact.at_ms)
        if fact.open:
            self.open_calendars[fact.calendar] = None
        else:
            self.open_calendars.pop(fact.calendar, None)

    def _agent(self, agent_id: str, at_ms: int) -> AgentTime:
        agent = self.agents.get(agent_id)
        if agent is None:
            agent = self.agents[agent_id] = AgentTime(agent_id=agent_id, since_ms=at_ms)
        return agent


_FOLDS: Final[dict[type, Callable[[Journal, Any], None]]] = {
    ContactQueued: Journal._queue,
    OfferMade: Journal._offer,
    WaitExpected: Journal._tell,
    OfferRejected: Journal._reject,
    OfferExpired: Journal._expire,
    ContactAssigned: Journal._assign,
    ContactRequeued: Journal._requeue,
    ContactTransferred: Journal._requeue,
    CallbackScheduled: Journal._put_off,
    CallbackMissed: Journal._put_off,
    ContactHeld: Journal._put_aside,
    ContactUnheld: Journal._go_on,
    ContactAbandoned: Journal._abandon,
    ContactReturned: Journal._return,
    ContactCancelled: Journal._cancel,
    ContactForwarded: Journal._forward,
    ContactMerged: Journal._forward,
    ContactResolved: Journal._resolve,
    PresenceChanged: Journal._change_presence,
    PoolConfigured: Journal._configure,
    CalendarTurned: Journal._turn,
}
