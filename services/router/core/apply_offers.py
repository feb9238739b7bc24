"""Folding offers and assignments. Called by `apply` alone, which checks pool and time."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from libs.common.events.routing import ContactAssigned, OfferExpired, OfferMade, OfferRejected, OfferWithdrawn
from services.router.core import limits
from services.router.core.apply_shared import agent_of, contact_of, rearrange, release, with_decline
from services.router.core.entities import EndedOffer, Offer, OfferOutcome
from services.router.core.model import PoolState
from services.router.core.transitions import ContactState, IllegalFactError

_OUTCOMES: Final = {
    OfferRejected: OfferOutcome.REJECTED,
    OfferExpired: OfferOutcome.EXPIRED,
    OfferWithdrawn: OfferOutcome.WITHDRAWN,
}


def fold_offer(state: PoolState, fact: OfferMade) -> None:
    """The contact is with the agent, who has not answered yet."""
    contact = contact_of(state, fact, None)
    agent = agent_of(state, fact.agent_id)
    if fact.offer_id in state.offers:
        raise IllegalFactError(f"offer {fact.offer_id} is there already")
    waited = contact.waits_ms < max(state.now_ms, fact.at_ms)
    offered = replace(
        contact,
        state=ContactState.OFFERED,
        agent_id=fact.agent_id,
        offer_id=fact.offer_id,
        waits_ms=contact.waits_ms if waited else 0,
        untold=False,
    )
    offer = Offer(fact.offer_id, fact.contact_id, fact.agent_id, fact.expires_ms)
    state.offers_made += 1
    state.contacts[contact.id] = offered
    state.offers[offer.id] = offer
    state.agents[agent.id] = replace(agent, last_offer=state.offers_made)
    state.index.remove_contact(contact)
    desk = state.index.desks[agent.id]
    desk.last_offer = state.offers_made
    state.index.add_contact(offered)
    state.index.add_offer(offer)
    if desk.rules is not None and desk.offers_open > 1 and desk.rules.squeezes(contact.channel, desk.units):
        state.index.evictions.flag(agent.id)


def fold_end_offer(state: PoolState, fact: OfferRejected | OfferExpired | OfferWithdrawn) -> None:
    """The contact waits again, in its old place."""
    contact = contact_of(state, fact, fact.agent_id)
    if contact.offer_id != fact.offer_id:
        raise IllegalFactError(f"{type(fact).__name__} on offer {fact.offer_id}, while {contact.offer_id} is open")
    declines = contact.declines
    missed: int | None = None
    if not isinstance(fact, OfferWithdrawn):
        declines = with_decline(declines, fact.agent_id, fact.backoff_until_ms, 1)
        missed = 0 if isinstance(fact, OfferRejected) else agent_of(state, fact.agent_id).missed + 1
    elif fact.backoff_until_ms:
        declines = with_decline(declines, fact.agent_id, fact.backoff_until_ms, 0)
    at_ms = max(state.now_ms, fact.at_ms)
    waiting = replace(
        contact,
        state=ContactState.QUEUED,
        agent_id=None,
        offer_id=None,
        declines=declines,
        waits_ms=contact.waits_ms or at_ms,
    )
    _forget_offer(state, fact.offer_id, fact.agent_id, _OUTCOMES[type(fact)], at_ms)
    release(state, contact, waiting, fact.at_ms, missed=missed)


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


def fold_assign(state: PoolState, fact: ContactAssigned) -> None:
    """The agent has the contact: he accepted it, or was given it while it waited."""
    known = state.contacts.get(fact.contact_id)
    waits = known is not None and known.state in {ContactState.QUEUED, ContactState.SCHEDULED}
    contact = contact_of(state, fact, None if waits else fact.agent_id)
    if contact.offer_id != fact.offer_id:
        raise IllegalFactError(f"contact {contact.id} assigned by offer {fact.offer_id}, not {contact.offer_id}")
    agent = agent_of(state, fact.agent_id)
    active = replace(
        contact, state=ContactState.ACTIVE, agent_id=fact.agent_id, offer_id=None, waits_ms=0, untold=False
    )
    at_ms = max(state.now_ms, fact.at_ms)
    if state.index.terms.remembers_agents and contact.handle:
        state.last_agents.add(contact.handle, fact.agent_id, at_ms)
    if fact.offer_id is None:
        rearrange(state, contact, active)
        return
    if agent.missed:
        state.agents[agent.id] = replace(agent, missed=0)
    state.index.accept_contact(contact)
    state.contacts[contact.id] = active
    _forget_offer(state, fact.offer_id, fact.agent_id, OfferOutcome.ACCEPTED, at_ms)
