"""What agents must give back: offers and contacts that they hold and must not; what they must go on with: held contacts whose customer
wrote; and what somebody must be told. Decides, and changes no more than the index's marks.

Called by settling; `invariants` asks it too.
"""

from __future__ import annotations

from typing import Final

from libs.common.events.routing import ContactFlagged, ContactRequeued, ContactUnheld, PoolFact, PresenceChanged
from services.router.core.due import CAUSE_PRESENCE, end_wrap_up, withdraw_offer
from services.router.core.entities import WATCHED, Agent, Contact, Presence
from services.router.core.model import PoolState
from services.router.core.transitions import ContactState

REASON_DECLINED: Final = "declined"

CAUSE_CONFIGURATION: Final = "configuration"
CAUSE_CAPACITY: Final = "capacity"
CAUSE_CUSTOMER: Final = "customer"
CAUSE_NOT_RESPONDING: Final = "not-responding"
CAUSE_SIGN_OUT: Final = "sign-out"
CAUSE_AGENT_REMOVED: Final = "agent-removed"
CAUSE_VANISHED: Final = "vanished"


def next_eviction(state: PoolState, now_ms: int) -> PoolFact | None:
    """The next thing that an agent must give back or go on with."""
    index = state.index
    while (agent_id := index.evictions.first()) is not None:
        agent = state.agents.get(agent_id)
        fact = None if agent is None else find_eviction(state, agent, now_ms)
        if fact is not None:
            return fact
        index.evictions.drop()
    return None


def find_eviction(state: PoolState, agent: Agent, now_ms: int) -> PoolFact | None:
    """The first thing in this agent's hands that cannot stay as it is; None when all is in order.

    One who is removed goes offline, and so does one who has vanished. One who let too many offers in a row run out is not responding, until
    he says otherwise. One who is offline keeps nothing: offers are taken back, contacts wait again, wrap-ups end. One who is not available
    keeps his contacts but no offers. An offer also goes when its agent no longer has the skills or the room.
    A held contact whose customer wrote is gone on with as soon as there is room for it, so before anything new is offered.
    """
    if agent.removed and agent.presence is not Presence.OFFLINE:
        return PresenceChanged(
            pool=state.pool,
            at_ms=now_ms,
            agent_id=agent.id,
            status=Presence.OFFLINE.value,
            cause=CAUSE_CONFIGURATION,
        )
    if has_vanished(state, agent):
        return PresenceChanged(
            pool=state.pool,
            at_ms=now_ms,
            agent_id=agent.id,
            status=Presence.OFFLINE.value,
            cause=CAUSE_VANISHED,
        )
    enough = state.rules.not_responding_after
    if enough and agent.missed >= enough and agent.presence is Presence.AVAILABLE:
        return PresenceChanged(
            pool=state.pool,
            at_ms=now_ms,
            agent_id=agent.id,
            status=Presence.NOT_RESPONDING.value,
            cause=CAUSE_NOT_RESPONDING,
        )
    desk = state.index.desks[agent.id]
    work = sorted((state.contacts[contact_id] for contact_id in (*desk.work, *desk.held)), key=_rank)
    for contact in work:
        fact = _give_back(state, agent, contact, now_ms)
        if fact is not None:
            return fact
    # What was offered last in the order of rank goes first.
    for contact in reversed(work):
        if contact.state is ContactState.OFFERED and not desk.has_room_for_offer(contact.channel):
            return withdraw_offer(state, contact, CAUSE_CAPACITY, now_ms)
    for contact in work:
        if contact.awaited and (not contact.frees_room or desk.fits(contact.channel)):
            return ContactUnheld(
                pool=state.pool, at_ms=now_ms, contact_id=contact.id, agent_id=agent.id, cause=CAUSE_CUSTOMER
            )
    return None


def has_vanished(state: PoolState, agent: Agent) -> bool:
    """Whether an agent who is available, or was until his offers ran out, was not heard of for too long while the agent API told who was
    there. Who is busy or on a break has said so, and may close the laptop.
    """
    return not agent.removed and agent.presence in WATCHED and _is_silent(state, agent)


def _give_back(state: PoolState, agent: Agent, contact: Contact, now_ms: int) -> PoolFact | None:
    if contact.state is ContactState.OFFERED:
        if agent.removed:
            return withdraw_offer(state, contact, CAUSE_CONFIGURATION, now_ms)
        if agent.presence is not Presence.AVAILABLE:
            return withdraw_offer(state, contact, CAUSE_PRESENCE, now_ms)
        if not has_skills(agent, contact) and not _is_named(agent, contact):
            return withdraw_offer(state, contact, CAUSE_CONFIGURATION, now_ms)
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
        cause=_why_gone(state, agent),
    )


def _is_named(agent: Agent, contact: Contact) -> bool:
    """Whether a colleague passed the contact on to this agent by name, who lacked skills then already."""
    return contact.only_agent == agent.id and contact.only_until_ms == 0


def _why_gone(state: PoolState, agent: Agent) -> str:
    """Why an agent who is offline has nothing any more. Whoever signs out was heard of by that, so only who vanished was not for long."""
    if agent.removed:
        return CAUSE_AGENT_REMOVED
    return CAUSE_VANISHED if _is_silent(state, agent) else CAUSE_SIGN_OUT


def _is_silent(state: PoolState, agent: Agent) -> bool:
    after_ms = state.rules.vanish_after_ms
    return after_ms > 0 and agent.seen_ms + after_ms <= state.heard_ms


def has_skills(agent: Agent, contact: Contact) -> bool:
    """Whether the agent has all the skills of one alternative."""
    return any(all(agent.skills.get(skill, 0) >= level for skill, level in skills) for skills in contact.needs)


def next_flag(state: PoolState, now_ms: int) -> ContactFlagged:
    """The next contact that somebody must be told about, in the order of ids. There must be one."""
    contact_id = min(state.index.unflagged)
    declined = sum(decline.count > 0 for decline in state.contacts[contact_id].declines)
    return ContactFlagged(pool=state.pool, at_ms=now_ms, contact_id=contact_id, reason=REASON_DECLINED, agents=declined)


def _rank(contact: Contact) -> tuple[int, int]:
    return contact.rank
