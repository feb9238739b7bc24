"""Deciding what an agent does with a contact in hand besides resolving it: passing it on, putting it aside, going on with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from libs.common.events.inputs import HoldContact, TransferContact, UnholdContact
from libs.common.events.routing import (
    ContactHeld,
    ContactTransferred,
    ContactUnheld,
    InputRefused,
    OfferMade,
    OfferReason,
    PoolFact,
)
from services.router.core import limits, policies
from services.router.core.drains import DRAINED, takes_none
from services.router.core.entities import Contact
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.relaxation import relax_ms
from services.router.core.standing import AGENT_UNKNOWN, IN_HAND, held_contact, is_member
from services.router.core.transitions import ContactState

CAUSE_AGENT = "agent"
# What an offer says instead of a strategy when a colleague named its agent, who lacks skills that the contact asks for.
NAMED: Final = "named"


def transfer_contact(state: PoolState, event: TransferContact, now_ms: int) -> list[PoolFact]:
    """The contact waits again in its old place, for whom it is passed on to; it does not come back at once to who had it.

    Into another queue it takes along what it asked for beyond its old queue's skills, unless other skills are named.
    """
    contact = held_contact(state, event, event.contact_id, IN_HAND, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    assert contact.agent_id is not None, "a contact in hand is an agent's"
    name = contact.queue if event.queue is None else event.queue
    queue = state.queues.get(name)
    if queue is None and event.queue is not None:
        return [refuse(event, RefusalReason.QUEUE_UNKNOWN, "The pool has no such queue.", event.queue, now_ms)]
    if name != contact.queue and takes_none(state, name):
        return [refuse(event, RefusalReason.QUEUE_DRAINED, DRAINED, name, now_ms)]
    if contact.transfers >= state.rules.transfers_max:
        detail = f"A contact is passed on at most {state.rules.transfers_max} times."
        return [refuse(event, RefusalReason.TRANSFER_LIMIT, detail, contact.id, now_ms)]
    target = event.target_agent_id
    skills, alternatives = policies.moved_needs(contact, state.queues.get(contact.queue), queue, event.skills)
    missing: dict[str, int] = {}
    if target is not None:
        missing = _missing(state, target, alternatives or (skills,))
        why_not = _why_not_to(state, contact, target, name, missing)
        if why_not is not None:
            return [refuse(event, *why_not, target, now_ms)]
    timeout_ms = contact.offer_timeout_ms
    if queue is not None:
        timeout_ms = policies.offer_timeout_ms(queue, state.channels.get(contact.channel))
    offer = [_offer_by_name(state, contact, target, timeout_ms, now_ms)] if target is not None and missing else []
    back_ms = state.rules.transfer_back_ms
    return [
        ContactTransferred(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=contact.id,
            agent_id=contact.agent_id,
            by=event.agent_id,
            queue=name,
            skills=skills,
            alternatives=alternatives,
            offer_timeout_ms=timeout_ms,
            transfers=contact.transfers + 1,
            barred_agent_id=contact.agent_id if back_ms else None,
            barred_until_ms=now_ms + back_ms if back_ms else 0,
            note_id=event.note_id,
            target_agent_id=target,
            target_until_ms=0 if target is None or missing else now_ms + limits.TRANSFER_TO_AGENT_MS,
            missing=missing,
            relax_ms=0 if queue is None else relax_ms(state, queue, now_ms, 0),
            asked=None if event.skills is None else policies.bounded_levels(event.skills),
        ),
        *offer,
    ]


def _missing(state: PoolState, target: str, needs: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """What the contact asks for that this agent lacks: of several alternatives the one that least is missing for."""
    agent = state.agents.get(target)
    has = {} if agent is None else agent.skills
    ways = [{skill: level for skill, level in one.items() if has.get(skill, 0) < level} for one in needs]
    return min(ways, key=len)


def _offer_by_name(state: PoolState, contact: Contact, target: str, timeout_ms: int, now_ms: int) -> OfferMade:
    """The offer to an agent who was named by a colleague and lacks skills: that one is meant, and may decline.

    It follows from the transfer alone. Who is eligible is decided as ever: nobody is offered a contact without its skills again.
    """
    number = state.offers_made + 1
    return OfferMade(
        pool=state.pool,
        at_ms=now_ms,
        offer_id=f"off_{contact.id.removeprefix('con_')}_{number}",
        contact_id=contact.id,
        agent_id=target,
        expires_ms=now_ms + timeout_ms,
        reason=OfferReason(rank=1, waited_ms=max(0, now_ms - contact.received_ms), strategy=NAMED, candidates=1),
    )


def _why_not_to(
    state: PoolState, contact: Contact, target: str, queue: str, missing: Mapping[str, int]
) -> tuple[RefusalReason, str] | None:
    """Why the contact cannot be offered to this agent by name; None where it can: as soon as he has room, or now where he lacks skills."""
    if not is_member(state, target):
        return RefusalReason.AGENT_UNKNOWN, AGENT_UNKNOWN
    if target == contact.agent_id:
        return RefusalReason.ALREADY_ASSIGNED, "The agent has the contact."
    desk = state.index.desks[target]
    if not desk.available:
        return RefusalReason.AGENT_AWAY, "The agent is not available."
    if missing:
        gate = state.index.terms.gate_of(replace(contact, queue=queue))
        if gate in state.index.closed:
            return RefusalReason.SKILLS_MISSING, "The agent lacks skills, and the queue is closed now."
        if not desk.has_room(contact.channel):
            return RefusalReason.NO_ROOM, "The agent lacks skills and has no room now, so that it cannot wait for him."
    return None


def hold_contact(state: PoolState, event: HoldContact, now_ms: int) -> list[PoolFact]:
    """The agent waits for the customer and has room for another contact meanwhile, where the channel says so."""
    contact = held_contact(state, event, event.contact_id, IN_HAND, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    if contact.state is ContactState.HELD:
        return [refuse(event, RefusalReason.ALREADY_HELD, "The contact is held already.", contact.id, now_ms)]
    assert contact.agent_id is not None, "a contact in hand is an agent's"
    return [
        ContactHeld(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=contact.id,
            agent_id=contact.agent_id,
            frees_room=policies.hold_frees_room(state.channels.get(contact.channel), contact.channel),
        )
    ]


def unhold_contact(state: PoolState, event: UnholdContact, now_ms: int) -> list[PoolFact]:
    """The agent goes on with the contact, also where he has no room for it any more: he wants to."""
    contact = held_contact(state, event, event.contact_id, IN_HAND, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    if contact.state is not ContactState.HELD:
        return [refuse(event, RefusalReason.CONTACT_NOT_HELD, "The contact is not held.", contact.id, now_ms)]
    assert contact.agent_id is not None, "a contact in hand is an agent's"
    return [
        ContactUnheld(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=contact.id,
            agent_id=contact.agent_id,
            cause=CAUSE_AGENT,
        )
    ]
