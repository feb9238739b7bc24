"""Deciding what an agent's answer to an offer does, and what he takes without one."""

from __future__ import annotations

from typing import Final

from libs.common.events.inputs import AcceptOffer, PullContact, RejectOffer
from libs.common.events.routing import ContactAssigned, InputRefused, OfferRejected, PoolFact
from services.router.core.due import backoff_until_ms, expire_offer
from services.router.core.entities import Contact, Offer, OfferOutcome, Presence
from services.router.core.evictions import has_skills
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.reservations import kept_for
from services.router.core.standing import AGENT_UNKNOWN, is_member, known_contact
from services.router.core.transitions import ContactState

_ENDED: Final[dict[OfferOutcome, tuple[RefusalReason, str]]] = {
    OfferOutcome.ACCEPTED: (RefusalReason.OFFER_ALREADY_ACCEPTED, "The offer was accepted before."),
    OfferOutcome.REJECTED: (RefusalReason.OFFER_TAKEN_BACK, "The offer was declined before."),
    OfferOutcome.EXPIRED: (RefusalReason.OFFER_EXPIRED, "The offer was not answered in time."),
    OfferOutcome.WITHDRAWN: (RefusalReason.OFFER_TAKEN_BACK, "The offer was taken back."),
}


def accept_offer(state: PoolState, event: AcceptOffer, now_ms: int) -> list[PoolFact]:
    """The agent takes the contact, if the offer is his and still open at `now_ms`."""
    offer = state.offers.get(event.offer_id)
    if offer is None or offer.agent_id != event.agent_id or _is_over(offer, now_ms):
        return _refuse_answer(state, event, offer, now_ms)
    return [
        ContactAssigned(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=offer.contact_id,
            agent_id=offer.agent_id,
            offer_id=offer.id,
        )
    ]


def reject_offer(state: PoolState, event: RejectOffer, now_ms: int) -> list[PoolFact]:
    """The contact waits again in its old place, and this agent is left alone with it for a while."""
    offer = state.offers.get(event.offer_id)
    if offer is None or offer.agent_id != event.agent_id or _is_over(offer, now_ms):
        return _refuse_answer(state, event, offer, now_ms)
    return [
        OfferRejected(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            offer_id=offer.id,
            contact_id=offer.contact_id,
            agent_id=offer.agent_id,
            reason=event.reason,
            backoff_until_ms=backoff_until_ms(state.contacts[offer.contact_id], offer.agent_id, now_ms),
        )
    ]


def pull_contact(state: PoolState, event: PullContact, now_ms: int) -> list[PoolFact]:
    """The agent takes a waiting contact that he could be offered, whether or not it is his turn or he has declined it before."""
    contact = known_contact(state, event, event.contact_id, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    if not is_member(state, event.agent_id):
        return [refuse(event, RefusalReason.AGENT_UNKNOWN, AGENT_UNKNOWN, event.agent_id, now_ms)]
    why_not = _why_not_pulled(state, contact, event.agent_id, now_ms)
    if why_not is not None:
        return [refuse(event, *why_not, contact.id, now_ms)]
    return [
        ContactAssigned(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=contact.id,
            agent_id=event.agent_id,
        )
    ]


def _why_not_pulled(state: PoolState, contact: Contact, agent_id: str, now_ms: int) -> tuple[RefusalReason, str] | None:
    queue = state.queues.get(contact.queue)
    if contact.state is ContactState.OFFERED:
        whom = "you" if contact.agent_id == agent_id else "another agent"
        return RefusalReason.CONTACT_OFFERED, f"The contact is offered to {whom}."
    if contact.state is not ContactState.QUEUED:
        return RefusalReason.CONTACT_NOT_WAITING, "The contact does not wait for an agent."
    # What the index says of it may be of another time.
    if kept_for(contact, state.index.desks, state.index.capability, now_ms) not in (None, agent_id):
        return RefusalReason.CONTACT_OFFERED, "The contact is kept for another agent."
    if queue is None or not queue.pull:
        return RefusalReason.PULL_NOT_ALLOWED, "Contacts of this queue are offered, not taken."
    agent = state.agents[agent_id]
    if agent.presence is not Presence.AVAILABLE:
        return RefusalReason.AGENT_AWAY, "Only an agent who is available takes a contact."
    if not has_skills(agent, contact):
        return RefusalReason.SKILLS_MISSING, "The contact asks for skills that the agent does not have."
    if not state.index.desks[agent_id].fits(contact.channel):
        return RefusalReason.NO_ROOM, "The agent has no room for another contact on this channel."
    return None


def _is_over(offer: Offer, now_ms: int) -> bool:
    return offer.expires_ms <= now_ms


def _refuse_answer(
    state: PoolState, event: AcceptOffer | RejectOffer, offer: Offer | None, now_ms: int
) -> list[PoolFact]:
    """Why there is nothing to answer. An offer that ran out by now, but is still open, expires first."""
    agent = state.agents.get(event.agent_id)
    if agent is None or agent.removed:
        return [refuse(event, RefusalReason.AGENT_UNKNOWN, "No such agent is in the pool.", event.agent_id, now_ms)]
    ended = None if offer is not None else state.ended_offer(event.offer_id)
    holder = offer or ended
    if holder is None:
        return [refuse(event, RefusalReason.OFFER_UNKNOWN, "No such offer is known.", event.offer_id, now_ms)]
    if holder.agent_id != event.agent_id:
        return [refuse(event, RefusalReason.NOT_YOUR_OFFER, "The offer is to another agent.", event.offer_id, now_ms)]
    reason, detail = _ENDED[OfferOutcome.EXPIRED if ended is None else ended.outcome]
    refusal = refuse(event, reason, detail, event.offer_id, now_ms)
    return [refusal] if offer is None else [expire_offer(state, offer.contact_id, now_ms), refusal]
