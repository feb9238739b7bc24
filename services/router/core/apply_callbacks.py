"""Folding callbacks: contacts whose customers are to be called. Called by `apply` alone, which checks pool and time."""

from __future__ import annotations

from msgspec.structs import replace

from libs.common.events.routing import CallbackDue, CallbackMissed, CallbackScheduled, CallbackWithdrawn, ContactMerged
from services.router.core.apply_contacts import waiting_again
from services.router.core.apply_forwarding import end_contact
from services.router.core.apply_shared import contact_of, rearrange, release
from services.router.core.entities import Callback
from services.router.core.model import PoolState
from services.router.core.transitions import JOINABLE, ContactState, IllegalFactError


def fold_schedule(state: PoolState, fact: CallbackScheduled) -> None:
    """The contact waits for the time of its call, whoever had it. A new request begins anew with its attempts."""
    contact = contact_of(state, fact, fact.agent_id)
    after = replace(
        waiting_again(state, contact, fact),
        state=ContactState.SCHEDULED,
        channel=fact.channel,
        offer_timeout_ms=fact.offer_timeout_ms,
        callback=Callback(fact.handle, fact.not_before_ms),
        notified=False,
        waits_ms=0,
        untold=False,
    )
    release(state, contact, after, fact.at_ms)


def fold_due(state: PoolState, fact: CallbackDue) -> None:
    """The contact waits for an agent."""
    contact = contact_of(state, fact, None)
    rearrange(state, contact, replace(contact, state=ContactState.QUEUED, waits_ms=max(state.now_ms, fact.at_ms)))


def fold_miss(state: PoolState, fact: CallbackMissed) -> None:
    """The contact waits for the time of its next call."""
    contact = contact_of(state, fact, fact.agent_id)
    if contact.callback is None or fact.attempts != contact.callback.attempts + 1:
        raise IllegalFactError(f"contact {contact.id} is not to be called back, or not for the {fact.attempts}th time")
    after = replace(
        waiting_again(state, contact, fact),
        state=ContactState.SCHEDULED,
        callback=Callback(contact.callback.handle, fact.not_before_ms, fact.attempts),
        waits_ms=0,
    )
    release(state, contact, after, fact.at_ms)


def fold_withdraw(state: PoolState, fact: CallbackWithdrawn) -> None:
    """The contact waits as before it was a callback."""
    contact = contact_of(state, fact, None)
    if contact.callback is None:
        raise IllegalFactError(f"contact {contact.id} is not to be called back")
    at_ms = max(state.now_ms, fact.at_ms)
    after = replace(
        contact,
        state=ContactState.QUEUED,
        channel=fact.channel,
        offer_timeout_ms=fact.offer_timeout_ms,
        callback=None,
        waits_ms=contact.waits_ms or at_ms,
        overflow=0,
        overflow_from_ms=at_ms,
        overflowed_ms=fact.overflowed_ms,
    )
    rearrange(state, contact, after)
    state.requests.forget(contact.id)


def fold_merge(state: PoolState, fact: ContactMerged) -> None:
    """The contact leaves the pool; the one whose customer is called takes its place where that is the better one, and what asked for it."""
    contact = contact_of(state, fact, None)
    into = state.contacts.get(fact.into_contact_id)
    if into is None or into.callback is None or into.state not in JOINABLE or into.id == contact.id:
        raise IllegalFactError(f"contact {contact.id} is merged into {fact.into_contact_id}, which is not called back")
    requests = (*state.requests.of(contact.id), contact.id)
    end_contact(state, contact, fact.at_ms)
    for request in requests:
        # What was written for the one is not lost when no call is wanted any more for the other.
        state.requests.add(into, request, channel=contact.channel)
    if into.due_ms != fact.due_ms:
        rearrange(state, into, replace(into, due_ms=fact.due_ms))
