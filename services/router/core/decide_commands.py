"""Deciding what agents ask for besides answering offers: presence, resolving, the end of wrap-up, notes.

Who may act for whom is checked where the command comes in; here an agent only has to be in the pool and to hold the contact.
"""

from __future__ import annotations

from typing import Final

from libs.common.events.inputs import AddNote, FinishWrapUp, ResolveContact, SetPresence
from libs.common.events.routing import (
    ContactResolved,
    InputRefused,
    NoteAdded,
    PoolFact,
    PresenceChanged,
    WrapUpStarted,
)
from services.router.core import policies
from services.router.core.due import end_wrap_up
from services.router.core.entities import Contact, Presence
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.transitions import ContactState

_AGENT_UNKNOWN: Final = "No such agent is in the pool."
_PRESENCES: Final = frozenset(presence.value for presence in Presence)


def _is_member(state: PoolState, agent_id: str) -> bool:
    agent = state.agents.get(agent_id)
    return agent is not None and not agent.removed


def set_presence(state: PoolState, event: SetPresence, now_ms: int) -> list[PoolFact]:
    """The agent's presence becomes what is asked for, also when it was that already. What he must give back follows in settling."""
    if not _is_member(state, event.target_agent_id):
        return [refuse(event, RefusalReason.AGENT_UNKNOWN, _AGENT_UNKNOWN, event.target_agent_id, now_ms)]
    if event.status not in _PRESENCES:
        detail = f"A presence is one of {', '.join(presence.value for presence in Presence)}."
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


def resolve_contact(state: PoolState, event: ResolveContact, now_ms: int) -> list[PoolFact]:
    """The conversation is over: wrap-up begins where the contact's queue has one, else the contact is resolved at once."""
    contact = _own_contact(state, event, ContactState.ACTIVE, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    wrap_up_ms = policies.wrap_up_ms(state.queues.get(contact.queue), state.channels.get(contact.channel))
    if wrap_up_ms:
        return [
            WrapUpStarted(
                pool=state.pool,
                at_ms=now_ms,
                command_id=event.command_id,
                contact_id=contact.id,
                agent_id=event.agent_id,
                until_ms=now_ms + wrap_up_ms,
                disposition=event.disposition,
                summary=event.summary,
                follow_up=event.follow_up,
            )
        ]
    return [
        ContactResolved(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=contact.id,
            agent_id=event.agent_id,
            queue=contact.queue,
            channel=contact.channel,
            disposition=event.disposition,
            summary=event.summary,
            follow_up=event.follow_up,
        )
    ]


def finish_wrap_up(state: PoolState, event: FinishWrapUp, now_ms: int) -> list[PoolFact]:
    """The agent is ready: the contact is resolved before its wrap-up time has run out."""
    contact = _own_contact(state, event, ContactState.WRAP_UP, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    return [end_wrap_up(contact, state.pool, now_ms, event.command_id)]


def add_note(state: PoolState, event: AddNote, now_ms: int) -> list[PoolFact]:
    """A note on a contact that is open or was resolved lately, by anybody."""
    if event.contact_id not in state.contacts and event.contact_id not in state.resolved:
        return [_contact_unknown(event, now_ms)]
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


def _own_contact(
    state: PoolState, event: ResolveContact | FinishWrapUp, wanted: ContactState, now_ms: int
) -> Contact | InputRefused:
    """The contact, if it is in the agent's hands and in the state that the command is for; else why not."""
    if not _is_member(state, event.agent_id):
        return refuse(event, RefusalReason.AGENT_UNKNOWN, _AGENT_UNKNOWN, event.agent_id, now_ms)
    contact = state.contacts.get(event.contact_id)
    if contact is None:
        if event.contact_id not in state.resolved:
            return _contact_unknown(event, now_ms)
        return refuse(event, RefusalReason.ALREADY_RESOLVED, "The contact is resolved.", event.contact_id, now_ms)
    if contact.state in {ContactState.QUEUED, ContactState.OFFERED}:
        detail = "The contact is waiting for an agent."
        return refuse(event, RefusalReason.CONTACT_NOT_ACTIVE, detail, contact.id, now_ms)
    if contact.agent_id != event.agent_id:
        detail = "The contact is with another agent."
        return refuse(event, RefusalReason.CONTACT_NOT_YOURS, detail, contact.id, now_ms)
    if contact.state is wanted:
        return contact
    if wanted is ContactState.ACTIVE:
        detail = "The contact was resolved before and is in wrap-up."
        return refuse(event, RefusalReason.ALREADY_RESOLVED, detail, contact.id, now_ms)
    return refuse(event, RefusalReason.CONTACT_NOT_ACTIVE, "The contact is not in wrap-up.", contact.id, now_ms)


def _contact_unknown(event: ResolveContact | FinishWrapUp | AddNote, now_ms: int) -> InputRefused:
    return refuse(event, RefusalReason.CONTACT_UNKNOWN, "No such contact is known.", event.contact_id, now_ms)
