"""Whether a command may act on a contact: the contact in the state that it asks for, or the refusal that says why not.

Asked by the `decide` modules. Who may act for others is checked where the command comes in and stands in the command (`supervising`);
here an agent has to be in the pool and to hold the contact.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from libs.common.events.inputs import Command
from libs.common.events.routing import InputRefused
from services.router.core.entities import Contact
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.transitions import ContactState

AGENT_UNKNOWN: Final = "No such agent is in the pool."
IN_HAND: Final = frozenset({ContactState.ACTIVE, ContactState.HELD})
WAITING: Final = frozenset({ContactState.QUEUED, ContactState.OFFERED, ContactState.SCHEDULED})


def is_member(state: PoolState, agent_id: str) -> bool:
    """Whether the configuration has this agent."""
    agent = state.agents.get(agent_id)
    return agent is not None and not agent.removed


def known_contact(state: PoolState, event: Command, contact_id: str, now_ms: int) -> Contact | InputRefused:
    """The contact, wherever it stands; refused where who acts is not in the pool, or the contact is not there (any more)."""
    if not event.supervising and not is_member(state, event.agent_id):
        return refuse(event, RefusalReason.AGENT_UNKNOWN, AGENT_UNKNOWN, event.agent_id, now_ms)
    contact = state.contacts.get(contact_id)
    if contact is not None and contact.state is ContactState.ABANDONED:
        return refuse(event, RefusalReason.CONTACT_ABANDONED, "The customer has left.", contact.id, now_ms)
    if contact is not None:
        return contact
    if contact_id in state.resolved:
        return refuse(event, RefusalReason.ALREADY_RESOLVED, "The contact is over.", contact_id, now_ms)
    return refuse(event, RefusalReason.CONTACT_UNKNOWN, "No such contact is known.", contact_id, now_ms)


def held_contact(
    state: PoolState, event: Command, contact_id: str, wanted: Collection[ContactState], now_ms: int
) -> Contact | InputRefused:
    """The contact, if it is in the hands of who acts (of anybody, where that is a supervisor) and in a state that the command is for."""
    contact = known_contact(state, event, contact_id, now_ms)
    if isinstance(contact, InputRefused):
        return contact
    if contact.state in WAITING:
        detail = "The contact is waiting for an agent."
        return refuse(event, RefusalReason.CONTACT_NOT_ACTIVE, detail, contact.id, now_ms)
    if contact.agent_id != event.agent_id and not event.supervising:
        detail = "The contact is with another agent."
        return refuse(event, RefusalReason.CONTACT_NOT_YOURS, detail, contact.id, now_ms)
    if contact.state in wanted:
        return contact
    if contact.state is ContactState.WRAP_UP:
        detail = "The contact was resolved before and is in wrap-up."
        return refuse(event, RefusalReason.ALREADY_RESOLVED, detail, contact.id, now_ms)
    return refuse(event, RefusalReason.CONTACT_NOT_ACTIVE, "The contact is not in wrap-up.", contact.id, now_ms)
