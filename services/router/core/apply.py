"""Folding: the only place that changes a pool's state.

`apply` checks first and changes afterwards: a fact that cannot follow raises IllegalFactError and leaves everything as it was. It
decides nothing and computes nothing that a fact could say. `step` and `settle` apply what they decide, recovery applies what stands
on the log; both ways give the same state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from libs.common.events.routing import (
    ContactAssigned,
    ContactQueued,
    ContactRequeued,
    ContactResolved,
    InputRefused,
    MessageJoined,
    NoteAdded,
    OfferExpired,
    OfferMade,
    OfferRejected,
    OfferWithdrawn,
    PoolConfigured,
    PoolFact,
    PresenceChanged,
    WrapUpStarted,
)
from services.router.core import limits
from services.router.core.entities import (
    Agent,
    Contact,
    Decline,
    EndedOffer,
    Offer,
    OfferOutcome,
    Presence,
    WrapUp,
)
from services.router.core.model import PoolState, rebuild_index
from services.router.core.timers import drop_stale_timers
from services.router.core.transitions import ContactState, IllegalFactError, next_state

_OUTCOMES: Final = {
    OfferRejected: OfferOutcome.REJECTED,
    OfferExpired: OfferOutcome.EXPIRED,
    OfferWithdrawn: OfferOutcome.WITHDRAWN,
}


def apply(state: PoolState, fact: PoolFact) -> None:
    """Fold one fact into the state. Raises IllegalFactError, with the state unchanged, when it cannot follow on it."""
    if fact.pool != state.pool:
        raise IllegalFactError(f"a fact of pool {fact.pool} for pool {state.pool}")
    now_ms = max(state.now_ms, fact.at_ms)
    if now_ms < state.index.now_ms:
        state.index.set_back(now_ms, state.contacts)
    _FOLDS[type(fact)](state, fact)
    state.now_ms = now_ms
    state.index.forget_ended_backoffs(now_ms)
    drop_stale_timers(state, now_ms)
    if fact.command_id is not None:
        state.commands.add(fact.command_id, now_ms)


def _contact(state: PoolState, fact: Any, agent_id: str | None) -> Contact:
    """The contact of a fact, which must be with this agent (None: with nobody) and may go on to the fact's next state."""
    contact = state.contacts.get(fact.contact_id)
    next_state(None if contact is None else contact.state, type(fact), fact.contact_id)
    assert contact is not None, "the table knows one fact alone for a contact that is not there"
    if contact.agent_id != agent_id:
        raise IllegalFactError(f"{type(fact).__name__} on contact {contact.id}, which is with {contact.agent_id}")
    return contact


def _agent(state: PoolState, agent_id: str) -> Agent:
    agent = state.agents.get(agent_id)
    if agent is None:
        raise IllegalFactError(f"agent {agent_id} is not there")
    return agent


def _configure(state: PoolState, fact: PoolConfigured) -> None:
    at_ms = max(state.now_ms, fact.at_ms)
    agents: dict[str, Agent] = {}
    for configured in fact.agents:
        known = state.agents.get(configured.id)
        agents[configured.id] = Agent(
            id=configured.id,
            skills=configured.skills,
            capacity=configured.capacity,
            presence=Presence.OFFLINE if known is None else known.presence,
            idle_since_ms=at_ms if known is None else known.idle_since_ms,
        )
    for agent in state.agents.values():
        if agent.id not in agents and not _is_gone(state, agent):
            agents[agent.id] = replace(agent, removed=True)
    state.version = fact.version
    state.queues = {queue.id: queue for queue in fact.queues}
    state.channel_targets_ms = dict(fact.channel_targets_ms)
    state.agents = agents
    state.now_ms = at_ms
    rebuild_index(state)


def _is_gone(state: PoolState, agent: Agent) -> bool:
    return agent.presence is Presence.OFFLINE and not state.index.desks[agent.id].work


def _queue(state: PoolState, fact: ContactQueued) -> None:
    known = state.contacts.get(fact.contact_id)
    queued = next_state(None if known is None else known.state, ContactQueued, fact.contact_id)
    if fact.thread_id in state.index.threads:
        raise IllegalFactError(f"thread {fact.thread_id} has an open contact")
    contact = Contact(
        id=fact.contact_id,
        thread_id=fact.thread_id,
        channel=fact.channel,
        queue=fact.queue,
        skills=tuple(sorted(fact.skills.items())),
        priority=fact.priority,
        received_ms=fact.received_ms,
        due_ms=fact.due_ms,
        sequence=state.arrivals + 1,
        offer_timeout_ms=fact.offer_timeout_ms,
        state=queued,
    )
    state.arrivals += 1
    state.contacts[contact.id] = contact
    state.index.add_contact(contact)
    state.messages.add(fact.message_id, max(state.now_ms, fact.at_ms))


def _join(state: PoolState, fact: MessageJoined) -> None:
    contact = state.contacts.get(fact.contact_id)
    next_state(None if contact is None else contact.state, MessageJoined, fact.contact_id)
    state.messages.add(fact.message_id, max(state.now_ms, fact.at_ms))


def _offer(state: PoolState, fact: OfferMade) -> None:
    contact = _contact(state, fact, None)
    _agent(state, fact.agent_id)
    if fact.offer_id in state.offers:
        raise IllegalFactError(f"offer {fact.offer_id} is there already")
    offered = replace(contact, state=ContactState.OFFERED, agent_id=fact.agent_id, offer_id=fact.offer_id)
    offer = Offer(fact.offer_id, fact.contact_id, fact.agent_id, fact.expires_ms)
    state.offers_made += 1
    state.contacts[contact.id] = offered
    state.offers[offer.id] = offer
    state.index.remove_contact(contact)
    state.index.add_contact(offered)
    state.index.add_offer(offer)


def _end_offer(state: PoolState, fact: OfferRejected | OfferExpired | OfferWithdrawn) -> None:
    contact = _contact(state, fact, fact.agent_id)
    if contact.offer_id != fact.offer_id:
        raise IllegalFactError(f"{type(fact).__name__} on offer {fact.offer_id}, while {contact.offer_id} is open")
    declines = contact.declines
    if not isinstance(fact, OfferWithdrawn):
        declines = _with_decline(declines, fact.agent_id, fact.backoff_until_ms)
    waiting = replace(contact, state=ContactState.QUEUED, agent_id=None, offer_id=None, declines=declines)
    _forget_offer(state, fact.offer_id, fact.agent_id, _OUTCOMES[type(fact)], max(state.now_ms, fact.at_ms))
    _release(state, contact, waiting, fact.at_ms)


def _with_decline(declines: tuple[Decline, ...], agent_id: str, until_ms: int) -> tuple[Decline, ...]:
    count = 1 + sum(decline.count for decline in declines if decline.agent_id == agent_id)
    others = [decline for decline in declines if decline.agent_id != agent_id]
    if len(others) >= limits.DECLINES_PER_CONTACT_MAX:
        others.remove(min(others, key=lambda decline: (decline.until_ms, decline.agent_id)))
    return (*others, Decline(agent_id, count, until_ms))


def _forget_offer(state: PoolState, offer_id: str, agent_id: str, outcome: OfferOutcome, at_ms: int) -> None:
    del state.offers[offer_id]
    number = at_ms // limits.BUCKET_MS
    bucket = state.ended_offers.get(number)
    if bucket is None:
        oldest = (at_ms - limits.ENDED_OFFERS_KEPT_MS) // limits.BUCKET_MS
        for old in [old for old in state.ended_offers if old < oldest]:
            del state.ended_offers[old]
        bucket = state.ended_offers[number] = {}
    bucket[offer_id] = EndedOffer(agent_id, outcome)


def _assign(state: PoolState, fact: ContactAssigned) -> None:
    contact = _contact(state, fact, fact.agent_id)
    if contact.offer_id is None or contact.offer_id != fact.offer_id:
        raise IllegalFactError(f"contact {contact.id} assigned by offer {fact.offer_id}, not {contact.offer_id}")
    # It was in the agent's hands since the offer, so that the index stays as it is.
    state.contacts[contact.id] = replace(contact, state=ContactState.ACTIVE, offer_id=None)
    _forget_offer(state, fact.offer_id, fact.agent_id, OfferOutcome.ACCEPTED, max(state.now_ms, fact.at_ms))


def _requeue(state: PoolState, fact: ContactRequeued) -> None:
    contact = _contact(state, fact, fact.agent_id)
    _release(state, contact, replace(contact, state=ContactState.QUEUED, agent_id=None), fact.at_ms)


def _wrap_up(state: PoolState, fact: WrapUpStarted) -> None:
    contact = _contact(state, fact, fact.agent_id)
    wrap_up = WrapUp(fact.until_ms, fact.disposition, fact.summary, fact.follow_up)
    state.contacts[contact.id] = replace(contact, state=ContactState.WRAP_UP, wrap_up=wrap_up)
    state.index.start_wrap_up(contact, fact.until_ms)


def _resolve(state: PoolState, fact: ContactResolved) -> None:
    contact = _contact(state, fact, fact.agent_id)
    _release(state, contact, None, fact.at_ms)
    state.resolved.add(contact.id, max(state.now_ms, fact.at_ms))


def _release(state: PoolState, before: Contact, after: Contact | None, at_ms: int) -> None:
    """A contact leaves its agent's hands: it waits again as `after`, or leaves the pool (None)."""
    assert before.agent_id is not None, "it was in somebody's hands"
    state.index.remove_contact(before)
    if after is None:
        del state.contacts[before.id]
    else:
        state.contacts[before.id] = after
        state.index.add_contact(after)
    agent = replace(state.agents[before.agent_id], idle_since_ms=max(state.now_ms, at_ms))
    state.agents[agent.id] = agent
    state.index.place_agent(agent, (before.channel,))
    _drop_removed(state, agent)


def _drop_removed(state: PoolState, agent: Agent) -> None:
    if agent.removed and _is_gone(state, agent):
        del state.agents[agent.id]
        state.index.remove_agent(agent)


def _change_presence(state: PoolState, fact: PresenceChanged) -> None:
    before = _agent(state, fact.agent_id)
    try:
        presence = Presence(fact.status)
    except ValueError:
        raise IllegalFactError(f"presence {fact.status} is unknown") from None
    comes = presence is Presence.AVAILABLE and before.presence is not Presence.AVAILABLE
    idle_since_ms = max(state.now_ms, fact.at_ms) if comes else before.idle_since_ms
    after = replace(before, presence=presence, idle_since_ms=idle_since_ms)
    state.agents[after.id] = after
    state.index.change_presence(before, after)
    _drop_removed(state, after)


def _leave(state: PoolState, fact: NoteAdded | InputRefused) -> None:
    """Facts that only show in the command ids seen."""


_FOLDS: Final[dict[type, Callable[[PoolState, Any], None]]] = {
    PoolConfigured: _configure,
    ContactQueued: _queue,
    MessageJoined: _join,
    OfferMade: _offer,
    OfferRejected: _end_offer,
    OfferExpired: _end_offer,
    OfferWithdrawn: _end_offer,
    ContactAssigned: _assign,
    ContactRequeued: _requeue,
    WrapUpStarted: _wrap_up,
    ContactResolved: _resolve,
    PresenceChanged: _change_presence,
    NoteAdded: _leave,
    InputRefused: _leave,
}
