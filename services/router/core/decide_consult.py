"""Deciding that colleagues look at a contact, or need not any more. It takes up none of their room and gives them nothing to answer for."""

from __future__ import annotations

from libs.common.events.inputs import EndConsult, StartConsult
from libs.common.events.routing import ConsultEnded, ConsultStarted, InputRefused, PoolFact
from services.router.core import limits
from services.router.core.entities import Contact, Presence
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.standing import AGENT_UNKNOWN, IN_HAND, held_contact, is_member, known_contact


def start_consult(state: PoolState, event: StartConsult, now_ms: int) -> list[PoolFact]:
    """A colleague who is there, whatever he has in hand, sees the contact."""
    contact = held_contact(state, event, event.contact_id, IN_HAND, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    assert contact.agent_id is not None, "a contact in hand is an agent's"
    why_not = _why_not(state, contact, event.target_agent_id)
    if why_not is not None:
        return [refuse(event, *why_not, event.target_agent_id, now_ms)]
    return [
        ConsultStarted(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=contact.id,
            agent_id=contact.agent_id,
            target_agent_id=event.target_agent_id,
        )
    ]


def _why_not(state: PoolState, contact: Contact, target: str) -> tuple[RefusalReason, str] | None:
    if not is_member(state, target):
        return RefusalReason.AGENT_UNKNOWN, AGENT_UNKNOWN
    if target == contact.agent_id:
        return RefusalReason.ALREADY_ASSIGNED, "The agent has the contact."
    if target in contact.consults:
        return RefusalReason.ALREADY_CONSULTED, "The agent looks at the contact already."
    if state.agents[target].presence is Presence.OFFLINE:
        return RefusalReason.AGENT_AWAY, "The agent is offline."
    if len(contact.consults) >= limits.CONSULTS_PER_CONTACT_MAX:
        return RefusalReason.LIMIT_REACHED, f"At most {limits.CONSULTS_PER_CONTACT_MAX} colleagues look at a contact."
    return None


def end_consult(state: PoolState, event: EndConsult, now_ms: int) -> list[PoolFact]:
    """The contact's agent, a supervisor, or the colleague himself ends it."""
    contact = known_contact(state, event, event.contact_id, now_ms)
    if isinstance(contact, Contact) and event.target_agent_id not in contact.consults:
        detail = "The agent does not look at the contact."
        return [refuse(event, RefusalReason.NOT_CONSULTED, detail, event.target_agent_id, now_ms)]
    if event.agent_id != event.target_agent_id and isinstance(contact, Contact):
        contact = held_contact(state, event, event.contact_id, IN_HAND, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    assert contact.agent_id is not None, "a contact that is looked at is an agent's"
    return [
        ConsultEnded(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=contact.id,
            agent_id=contact.agent_id,
            target_agent_id=event.target_agent_id,
        )
    ]
