"""Deciding what agents ask for besides answering offers: presence, resolving, wrap-up, notes."""

from __future__ import annotations

from typing import Final

from libs.common.events.inputs import AddNote, AgentsSeen, ExtendWrapUp, FinishWrapUp, ResolveContact, SetPresence
from libs.common.events.routing import (
    ContactResolved,
    InputRefused,
    NoteAdded,
    PoolFact,
    PresenceChanged,
    PresenceConfirmed,
    WrapUpExtended,
    WrapUpStarted,
)
from services.router.core import limits, policies
from services.router.core.due import CAUSE_SUPERVISOR, end_wrap_up, withdraw_open_offer
from services.router.core.entities import Contact, Presence
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.standing import (
    AGENT_UNKNOWN,
    IN_HAND,
    WAITING,
    held_contact,
    is_member,
    known_contact,
)
from services.router.core.transitions import ContactState

# That an agent does not respond is for the router to say.
_PRESENCES: Final = tuple(presence.value for presence in Presence if presence is not Presence.NOT_RESPONDING)
_WRAP_UP: Final = frozenset({ContactState.WRAP_UP})


def set_presence(state: PoolState, event: SetPresence, now_ms: int) -> list[PoolFact]:
    """The agent's presence becomes what is asked for, also when it was that already. What he must give back follows in settling."""
    if not is_member(state, event.target_agent_id):
        return [refuse(event, RefusalReason.AGENT_UNKNOWN, AGENT_UNKNOWN, event.target_agent_id, now_ms)]
    if event.status not in _PRESENCES:
        detail = f"A presence is one of {', '.join(_PRESENCES)}."
        return [refuse(event, RefusalReason.PRESENCE_UNKNOWN, detail, event.target_agent_id, now_ms)]
    return [
        PresenceChanged(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            agent_id=event.target_agent_id,
            status=event.status,
        )
    ]


def confirm_presence(state: PoolState, event: AgentsSeen, now_ms: int) -> list[PoolFact]:
    """Who is there. Said no more often than it must be: of an agent when a quarter of the time has passed in which he may be silent.

    When nobody has told for half of that time, the agent API was away rather than the agents: they all count as there, once, so that
    an outage signs nobody out.
    """
    after_ms = state.rules.vanish_after_ms
    if not after_ms or not state.index.watch.seen_ms:
        return []
    silent_ms = now_ms - state.heard_ms
    if 2 * silent_ms > after_ms:
        return [PresenceConfirmed(pool=state.pool, at_ms=now_ms, everybody=True)]
    stale_ms = now_ms - after_ms // limits.CONFIRMED_PARTS
    seen = tuple(agent_id for agent_id in dict.fromkeys(event.agents) if _is_stale(state, agent_id, stale_ms))
    if not seen and silent_ms < after_ms // limits.CONFIRMED_PARTS:
        return []
    return [PresenceConfirmed(pool=state.pool, at_ms=now_ms, agents=seen)]


def _is_stale(state: PoolState, agent_id: str, stale_ms: int) -> bool:
    seen_ms = state.index.watch.seen_ms.get(agent_id)
    return seen_ms is not None and seen_ms <= stale_ms


def resolve_contact(state: PoolState, event: ResolveContact, now_ms: int) -> list[PoolFact]:
    """The conversation is over: wrap-up begins where the contact's queue or channel has one, else the contact is resolved at once.

    A supervisor resolves also what waits, and what another has; then nobody has to finish up.
    """
    contact = known_contact(state, event, event.contact_id, now_ms)
    if isinstance(contact, Contact) and event.supervising and contact.state in WAITING:
        resolved = _resolved(state, event, contact, event.agent_id, now_ms)
        return [*withdraw_open_offer(state, contact, CAUSE_SUPERVISOR, now_ms), resolved]
    contact = held_contact(state, event, event.contact_id, IN_HAND, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    assert contact.agent_id is not None, "a contact in hand is an agent's"
    wrap_up_ms = policies.wrap_up_ms(state.queues.get(contact.queue), state.channels.get(contact.channel))
    if wrap_up_ms == 0 or contact.agent_id != event.agent_id:
        return [_resolved(state, event, contact, contact.agent_id, now_ms)]
    return [
        WrapUpStarted(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=contact.id,
            agent_id=contact.agent_id,
            until_ms=0 if wrap_up_ms is None else now_ms + wrap_up_ms,
            disposition=event.disposition,
            summary=event.summary,
            follow_up=event.follow_up,
        )
    ]


def _resolved(state: PoolState, event: ResolveContact, contact: Contact, agent_id: str, now_ms: int) -> ContactResolved:
    return ContactResolved(
        pool=state.pool,
        at_ms=now_ms,
        command_id=event.command_id,
        contact_id=contact.id,
        agent_id=agent_id,
        queue=contact.queue,
        channel=contact.channel,
        by=None if contact.agent_id == event.agent_id else event.agent_id,
        disposition=event.disposition,
        summary=event.summary,
        follow_up=event.follow_up,
    )


def finish_wrap_up(state: PoolState, event: FinishWrapUp, now_ms: int) -> list[PoolFact]:
    """The agent is ready: the contact is resolved before its wrap-up time has run out."""
    contact = held_contact(state, event, event.contact_id, _WRAP_UP, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    return [end_wrap_up(contact, state.pool, now_ms, event.command_id)]


def extend_wrap_up(state: PoolState, event: ExtendWrapUp, now_ms: int) -> list[PoolFact]:
    """The agent needs longer: the end moves by `by_ms`, at most to a day from now."""
    contact = held_contact(state, event, event.contact_id, _WRAP_UP, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    assert contact.wrap_up is not None, "the contact is in wrap-up"
    assert contact.agent_id is not None, "a wrap-up is an agent's"
    if contact.wrap_up.until_ms == 0:
        detail = "This wrap-up has no end; it lasts until the agent is done."
        return [refuse(event, RefusalReason.WRAP_UP_WITHOUT_END, detail, contact.id, now_ms)]
    if contact.wrap_up.until_ms <= now_ms:
        resolved = end_wrap_up(contact, state.pool, now_ms)
        return [resolved, refuse(event, RefusalReason.ALREADY_RESOLVED, "The contact is over.", contact.id, now_ms)]
    longer_ms = policies.bound(event.by_ms, 0, limits.WRAP_UP_MAX_MS)
    return [
        WrapUpExtended(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=contact.id,
            agent_id=contact.agent_id,
            until_ms=min(contact.wrap_up.until_ms + longer_ms, now_ms + limits.WRAP_UP_MAX_MS),
        )
    ]


def add_note(state: PoolState, event: AddNote, now_ms: int) -> list[PoolFact]:
    """A note on a contact that is open or was over lately, by anybody."""
    if event.contact_id not in state.contacts and event.contact_id not in state.resolved:
        detail = "No such contact is known."
        return [refuse(event, RefusalReason.CONTACT_UNKNOWN, detail, event.contact_id, now_ms)]
    return [
        NoteAdded(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=event.contact_id,
            note_id=event.note_id,
            agent_id=event.agent_id,
        )
    ]
