"""Settling: what follows from the state and the time alone, up to a fixed point.

First what is due, then what agents must give back, then offers. Each fact is applied before the next is found, so that settling may
stop after any fact and go on later, in another process too.
"""

from __future__ import annotations

import heapq
from typing import Final

from libs.common.events.routing import (
    ContactRequeued,
    ContactResolved,
    OfferExpired,
    OfferWithdrawn,
    PoolFact,
    PresenceChanged,
)
from services.router.core import limits, policies
from services.router.core.apply import apply
from services.router.core.entities import Agent, Contact, Presence
from services.router.core.index import TIMER_BACKOFF, TIMER_OFFER
from services.router.core.matching import Matcher
from services.router.core.model import PoolState
from services.router.core.timers import first_timer
from services.router.core.transitions import ContactState

CAUSE_PRESENCE: Final = "presence"
CAUSE_CONFIGURATION: Final = "configuration"
CAUSE_SIGN_OUT: Final = "sign-out"
CAUSE_AGENT_REMOVED: Final = "agent-removed"


def settle(state: PoolState, now_ms: int, limit: int = limits.SETTLE_FACTS_MAX) -> list[PoolFact]:
    """Apply and return what is due at `now_ms` and the offers that follow, at most `limit` facts; none when all is settled.

    When it returns `limit` facts there may be more: call it again with the same time. A time before the state's own counts as that.
    """
    now_ms = max(state.now_ms, now_ms)
    index = state.index
    if now_ms < index.now_ms:
        index.set_back(now_ms, state.contacts)
    facts: list[PoolFact] = []
    while len(facts) < limit:
        fact = _next_due(state, now_ms)
        if fact is None:
            break
        apply(state, fact)
        facts.append(fact)
    if len(facts) < limit:
        index.now_ms = now_ms
    while len(facts) < limit:
        fact = _next_eviction(state, now_ms)
        if fact is None:
            break
        apply(state, fact)
        facts.append(fact)
    if len(facts) < limit and (index.dirty_agents or index.dirty_classes):
        matcher = Matcher(state, now_ms)
        while len(facts) < limit:
            offer = matcher.next_offer()
            if offer is None:
                break
            apply(state, offer)
            facts.append(offer)
    return facts


def _next_due(state: PoolState, now_ms: int) -> PoolFact | None:
    """The next fact that the time brings; back-offs that are over bring none and are only noted in the index."""
    while True:
        timer = first_timer(state)
        if timer is None or timer[0] > now_ms:
            return None
        _, kind, of_id = timer
        if kind == TIMER_OFFER:
            offer = state.offers[of_id]
            return expire_offer(state, offer.contact_id, now_ms)
        if kind != TIMER_BACKOFF:
            return end_wrap_up(state.contacts[of_id], state.pool, now_ms)
        heapq.heappop(state.index.timers)
        state.index.end_backoff(state.contacts[of_id], timer)


def expire_offer(state: PoolState, contact_id: str, now_ms: int) -> OfferExpired:
    """The contact's open offer was not answered in time."""
    contact = state.contacts[contact_id]
    assert contact.offer_id is not None, "an offered contact has its offer"
    assert contact.agent_id is not None, "an offer is to an agent"
    return OfferExpired(
        pool=state.pool,
        at_ms=now_ms,
        offer_id=contact.offer_id,
        contact_id=contact.id,
        agent_id=contact.agent_id,
        backoff_until_ms=backoff_until_ms(contact, contact.agent_id, now_ms),
    )


def backoff_until_ms(contact: Contact, agent_id: str, now_ms: int) -> int:
    """Until when an agent who declines this contact now is left alone with it."""
    earlier = sum(decline.count for decline in contact.declines if decline.agent_id == agent_id)
    return now_ms + policies.backoff_ms(earlier + 1)


def end_wrap_up(contact: Contact, pool: str, now_ms: int, command_id: str | None = None) -> ContactResolved:
    """A contact in wrap-up is done, with what its agent said when the conversation ended."""
    assert contact.wrap_up is not None, "the contact is in wrap-up"
    assert contact.agent_id is not None, "a wrap-up is an agent's"
    return ContactResolved(
        pool=pool,
        at_ms=now_ms,
        command_id=command_id,
        contact_id=contact.id,
        agent_id=contact.agent_id,
        queue=contact.queue,
        channel=contact.channel,
        disposition=contact.wrap_up.disposition,
        summary=contact.wrap_up.summary,
        follow_up=contact.wrap_up.follow_up,
    )


def _next_eviction(state: PoolState, now_ms: int) -> PoolFact | None:
    """The next thing that an agent must give back."""
    index = state.index
    while (agent_id := index.first_eviction()) is not None:
        agent = state.agents.get(agent_id)
        fact = None if agent is None else find_eviction(state, agent, now_ms)
        if fact is not None:
            return fact
        index.drop_eviction()
    return None


def find_eviction(state: PoolState, agent: Agent, now_ms: int) -> PoolFact | None:
    """The first thing in this agent's hands that he must not have; None when all is in order.

    One who is removed goes offline. One who is offline keeps nothing: offers are taken back, contacts wait again, wrap-ups end. One who
    is not available keeps his contacts but no offers. An offer also goes when its agent no longer has the skills or the capacity.
    """
    if agent.removed and agent.presence is not Presence.OFFLINE:
        return PresenceChanged(
            pool=state.pool,
            at_ms=now_ms,
            agent_id=agent.id,
            status=Presence.OFFLINE.value,
            cause=CAUSE_CONFIGURATION,
        )
    desk = state.index.desks[agent.id]
    work = sorted((state.contacts[contact_id] for contact_id in desk.work), key=_rank)
    for contact in work:
        fact = _give_back(state, agent, contact, now_ms)
        if fact is not None:
            return fact
    # What was offered last in the order of rank goes first.
    for contact in reversed(work):
        over = desk.loads[contact.channel] > desk.capacity.get(contact.channel, 1)
        if over and contact.state is ContactState.OFFERED:
            return _withdraw(state, contact, agent.id, CAUSE_CONFIGURATION, now_ms)
    return None


def _give_back(state: PoolState, agent: Agent, contact: Contact, now_ms: int) -> PoolFact | None:
    if contact.state is ContactState.OFFERED:
        if agent.removed:
            return _withdraw(state, contact, agent.id, CAUSE_CONFIGURATION, now_ms)
        if agent.presence is not Presence.AVAILABLE:
            return _withdraw(state, contact, agent.id, CAUSE_PRESENCE, now_ms)
        if any(agent.skills.get(skill, 0) < level for skill, level in contact.skills):
            return _withdraw(state, contact, agent.id, CAUSE_CONFIGURATION, now_ms)
        return None
    if agent.presence is not Presence.OFFLINE:
        return None
    if contact.state is ContactState.WRAP_UP:
        return end_wrap_up(contact, state.pool, now_ms)
    return ContactRequeued(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        agent_id=agent.id,
        cause=CAUSE_AGENT_REMOVED if agent.removed else CAUSE_SIGN_OUT,
    )


def _withdraw(state: PoolState, contact: Contact, agent_id: str, cause: str, now_ms: int) -> OfferWithdrawn:
    assert contact.offer_id is not None, "an offered contact has its offer"
    return OfferWithdrawn(
        pool=state.pool,
        at_ms=now_ms,
        offer_id=contact.offer_id,
        contact_id=contact.id,
        agent_id=agent_id,
        cause=cause,
    )


def _rank(contact: Contact) -> tuple[int, int]:
    return contact.rank
