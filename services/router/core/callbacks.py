"""Callbacks: contacts whose customers do not wait here for an answer but for a call. Decides, and changes nothing.

Such a contact keeps its place as if it had waited. Until the time that was asked for it is scheduled and offered to nobody; then it waits
like any other, within its queue's hours alone, as work on the telephone: its agent calls the number, and resolves it or says that nobody
answered. A number has one callback at a time; whoever writes or calls from it joins that, and so does a contact that overflows to a call.
Called by the `decide` modules and by `overflow`.
"""

from __future__ import annotations

from typing import Final

from libs.common.events.inputs import CallbackWish, ContactReceived
from libs.common.events.pool import CallbackConfiguration
from libs.common.events.routing import (
    CallbackScheduled,
    ContactMerged,
    CustomerNotice,
    PoolFact,
)
from services.router.core import limits, policies
from services.router.core.entities import Contact
from services.router.core.model import PoolState
from services.router.core.standing import IN_HAND

CAUSE_CALLBACK: Final = "callback"
CAUSE_AGENT: Final = "agent"
CAUSE_CUSTOMER: Final = "customer"

# Why a contact is cancelled whose customer was not reached in all attempts.
NOT_REACHED: Final = "not-reached"

CALLBACK_DECLINED: Final = "callback-declined"

# What its agent has in hand while he calls.
CHANNEL: Final = "voice"


def schedule_callback(
    state: PoolState,
    contact: Contact,
    now_ms: int,
    *,
    cause: str,
    handle: str | None = None,
    not_before_ms: int | None = None,
    by: str | None = None,
    command_id: str | None = None,
) -> CallbackScheduled | None:
    """The fact that this contact, which waits or is in hand, is to be called back: at `handle`, else at the number that it came from.

    None where no number is known, or another contact is to be called back there already.
    """
    number = policies.number_of(contact, handle)
    if number is None or state.index.callbacks.find(number) not in (None, contact.id):
        return None
    return CallbackScheduled(
        pool=state.pool,
        at_ms=now_ms,
        command_id=command_id,
        contact_id=contact.id,
        handle=number,
        not_before_ms=policies.bound(not_before_ms or now_ms, now_ms, now_ms + limits.CALLBACK_AHEAD_MAX_MS),
        channel=CHANNEL,
        offer_timeout_ms=_offer_timeout_ms(state, contact.queue),
        cause=cause,
        agent_id=contact.agent_id if contact.state in IN_HAND else None,
        by=by,
    )


def merge_callback(state: PoolState, contact: Contact, now_ms: int) -> ContactMerged | None:
    """The fact that a waiting contact whose customer was to be called is served by the call for another one; None where there is none."""
    number = policies.number_of(contact)
    into_id = None if number is None else state.index.callbacks.find(number)
    if into_id in (None, contact.id):
        return None
    due_ms = min(contact.due_ms, state.contacts[into_id].due_ms)
    return ContactMerged(pool=state.pool, at_ms=now_ms, contact_id=contact.id, into_contact_id=into_id, due_ms=due_ms)


def callback_notice(state: PoolState, contact_id: str, queue: str, now_ms: int, notices: int = 0) -> list[PoolFact]:
    """What the customer is told about it, where the queue has words for that. `notices`: how often something was told before."""
    texts = settings_of(state, queue).texts
    if not texts:
        return []
    return [
        CustomerNotice(
            pool=state.pool,
            at_ms=now_ms,
            contact_id=contact_id,
            cause=CAUSE_CALLBACK,
            texts=texts,
            notice=notices + 1,
        )
    ]


def callback_of_new(
    state: PoolState, wish: CallbackWish | None, contact_id: str, queue: str, now_ms: int, notices: int = 0
) -> list[PoolFact]:
    """What follows on the fact that a message opened a contact, where its customer wishes to be called and is not already."""
    if wish is None or not policies.can_be_called(wish.handle):
        return []
    if state.index.callbacks.find(wish.handle) not in (None, contact_id):
        return []  # One call serves both.
    return [
        CallbackScheduled(
            pool=state.pool,
            at_ms=now_ms,
            contact_id=contact_id,
            handle=wish.handle,
            not_before_ms=policies.bound(wish.not_before_ms or now_ms, now_ms, now_ms + limits.CALLBACK_AHEAD_MAX_MS),
            channel=CHANNEL,
            offer_timeout_ms=_offer_timeout_ms(state, queue),
            cause=CAUSE_CUSTOMER,
        ),
        *callback_notice(state, contact_id, queue, now_ms, notices),
    ]


def open_callback(state: PoolState, event: ContactReceived) -> str | None:
    """The contact whose customer is to be called back at a number that this message gives."""
    callbacks = state.index.callbacks
    if not callbacks.contacts:
        return None
    wished = () if event.callback is None else (event.callback.handle,)
    numbers = (*wished, event.message.handle, *event.message.handles)
    return next((found for number in numbers if (found := callbacks.find(number)) is not None), None)


def settings_of(state: PoolState, queue: str) -> CallbackConfiguration:
    """How a queue's customers are called back."""
    found = state.queues.get(queue)
    return CallbackConfiguration() if found is None else found.callback


def _offer_timeout_ms(state: PoolState, queue: str) -> int:
    found = state.queues.get(queue)
    channel = state.channels.get(CHANNEL)
    if found is None:
        return limits.OFFER_TIMEOUT_MS
    return policies.offer_timeout_ms(found, channel)
