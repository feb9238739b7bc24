"""Deciding what agents and customers ask for about callbacks: that there be one, that it be at another time, that nobody answered."""

from __future__ import annotations

from typing import Final

from libs.common.events.inputs import CallbackWish, ReportNotReached, RequestCallback
from libs.common.events.routing import (
    CallbackDue,
    CallbackMissed,
    CallbackWithdrawn,
    ContactCancelled,
    InputRefused,
    PoolFact,
)
from services.router.core import limits, policies
from services.router.core.callbacks import (
    CALLBACK_DECLINED,
    CAUSE_AGENT,
    CAUSE_CALLBACK,
    CAUSE_CUSTOMER,
    CHANNEL,
    NOT_REACHED,
    callback_notice,
    schedule_callback,
    settings_of,
)
from services.router.core.due import CAUSE_LEFT, withdraw_open_offer
from services.router.core.entities import Contact
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.standing import IN_HAND, WAITING, held_contact, known_contact
from services.router.core.transitions import ContactState

_NO_NUMBER: Final = "No number is known to call this customer at."
_OPEN: Final = "This number is to be called back already, for another contact."
_NONE: Final = "This contact is no callback."


def request_callback(state: PoolState, event: RequestCallback, now_ms: int) -> list[PoolFact]:
    """An agent asks for it on behalf of a customer: of a contact that waits, or that he has in hand, which he then has no more."""
    contact = known_contact(state, event, event.contact_id, now_ms)
    if isinstance(contact, Contact) and contact.state not in WAITING:
        contact = held_contact(state, event, event.contact_id, IN_HAND, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    if policies.number_of(contact, event.handle) is None:
        return [refuse(event, RefusalReason.HANDLE_MISSING, _NO_NUMBER, contact.id, now_ms)]
    scheduled = schedule_callback(
        state,
        contact,
        now_ms,
        cause=CAUSE_AGENT,
        handle=event.handle,
        not_before_ms=event.not_before_ms,
        by=event.agent_id,
        command_id=event.command_id,
    )
    if scheduled is None:
        return [refuse(event, RefusalReason.CALLBACK_OPEN, _OPEN, contact.id, now_ms)]
    return [
        *withdraw_open_offer(state, contact, CAUSE_CALLBACK, now_ms),
        scheduled,
        *callback_notice(state, contact.id, contact.queue, now_ms, contact.notices),
    ]


def callback_of_joined(
    state: PoolState, wish: CallbackWish | None, channel: str, contact: Contact, now_ms: int
) -> list[PoolFact]:
    """What a further message on this channel changes of when the customer is called: as is wished now, or at once where he calls himself.

    A contact that an agent has stays with him, who reads what is wished.
    """
    if contact.state not in WAITING:
        return []
    if wish is None:
        calls = channel == CHANNEL and contact.state is ContactState.SCHEDULED
        return [_due(state, contact, now_ms)] if calls else []
    if _is_due(contact, wish, now_ms):
        return []
    scheduled = schedule_callback(
        state, contact, now_ms, cause=CAUSE_CUSTOMER, handle=wish.handle, not_before_ms=wish.not_before_ms
    )
    if scheduled is None or not policies.can_be_called(wish.handle):
        return []
    return [
        *withdraw_open_offer(state, contact, CAUSE_CALLBACK, now_ms),
        scheduled,
        *callback_notice(state, contact.id, contact.queue, now_ms, contact.notices),
    ]


def decline_callback(state: PoolState, contact: Contact, now_ms: int) -> list[PoolFact]:
    """The customer wants no call any more, and the contact was about nothing else."""
    cancelled = ContactCancelled(
        pool=state.pool, at_ms=now_ms, contact_id=contact.id, by=CAUSE_CUSTOMER, reason=CALLBACK_DECLINED
    )
    return [*withdraw_open_offer(state, contact, CAUSE_LEFT, now_ms), cancelled]


def withdraw_request(state: PoolState, contact: Contact, now_ms: int) -> list[PoolFact]:
    """The customer wants no call any more that was asked for by a request which joined this contact.

    A contact that was work on another channel before waits for an answer there again: what the customer wrote is not lost. What an agent
    has in hand stays with him, as does one that is no callback (any more).
    """
    if contact.state not in WAITING or contact.callback is None:
        return []
    channel = state.requests.channel_before(contact.id)
    if not channel:
        return decline_callback(state, contact, now_ms)
    queue = state.queues.get(contact.queue)
    known = state.channels.get(channel)
    timeout_ms = limits.OFFER_TIMEOUT_MS if queue is None else policies.offer_timeout_ms(queue, known)
    # Who has just said that no call is wanted is not called by a rule of the queue.
    waited = state.index.terms.waited.get(contact.queue, ())
    behind = [rule.at_least for rule in waited if rule.to == CAUSE_CALLBACK]
    withdrawn = CallbackWithdrawn(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        channel=channel,
        offer_timeout_ms=timeout_ms,
        overflowed_ms=max(contact.overflowed_ms, *behind, 0),
    )
    return [*withdraw_open_offer(state, contact, CAUSE_LEFT, now_ms), withdrawn]


def _is_due(contact: Contact, wish: CallbackWish, now_ms: int) -> bool:
    """Whether it is as wished already: the contact waits to be called at this number now."""
    if contact.callback is None or contact.state is ContactState.SCHEDULED:
        return False
    return contact.callback.handle == wish.handle and (wish.not_before_ms or now_ms) <= now_ms


def _due(state: PoolState, contact: Contact, now_ms: int) -> CallbackDue:
    return CallbackDue(pool=state.pool, at_ms=now_ms, contact_id=contact.id, cause=CAUSE_CUSTOMER)


def report_not_reached(state: PoolState, event: ReportNotReached, now_ms: int) -> list[PoolFact]:
    """The customer is called again after a while, or the contact ends after the last attempt. The agent has it no more either way."""
    contact = held_contact(state, event, event.contact_id, IN_HAND, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    assert contact.agent_id is not None, "a contact in hand is an agent's"
    if contact.callback is None:
        return [refuse(event, RefusalReason.NO_CALLBACK, _NONE, contact.id, now_ms)]
    settings = settings_of(state, contact.queue)
    attempts = contact.callback.attempts + 1
    if attempts >= settings.attempts:
        return [
            ContactCancelled(
                pool=state.pool,
                at_ms=now_ms,
                command_id=event.command_id,
                contact_id=contact.id,
                by=event.agent_id,
                agent_id=contact.agent_id,
                reason=NOT_REACHED,
            )
        ]
    return [
        CallbackMissed(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            contact_id=contact.id,
            agent_id=contact.agent_id,
            attempts=attempts,
            not_before_ms=now_ms + settings.retry_ms,
        )
    ]
