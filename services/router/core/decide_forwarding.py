"""Deciding what goes between pools: what another pool hands over, and what follows a contact that was forwarded.

Other pools' routers append at least once; what is known here already does nothing.
"""

from __future__ import annotations

from typing import Final

from libs.common.events.inputs import (
    CallbackWish,
    ContactHandedOver,
    ContactReceived,
    CustomerLeft,
    ForwardedContactEnded,
    HandoversAppended,
    MessageHandedOver,
)
from libs.common.events.message import Letter, Message
from libs.common.events.pool import QueueConfiguration
from libs.common.events.routing import (
    ContactLapsed,
    ContactQueued,
    ContactReturned,
    ForwardEnded,
    HandoversDelivered,
    LeavingForwarded,
    MessageForwarded,
    MessageJoined,
    PoolFact,
)
from services.router.core import limits, policies
from services.router.core.callbacks import callback_of_new
from services.router.core.decide_callbacks import callback_of_joined
from services.router.core.drains import accepting_queue
from services.router.core.entities import Forwarding
from services.router.core.model import PoolState
from services.router.core.overflow import arrival_overflow
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.relaxation import relax_ms

_NO_QUEUE: Final = "The pool has no queue; the contact was not taken over."
_FULL: Final = "The pool holds as many contacts as it may; the contact was not taken over."

_Handover = ContactHandedOver | MessageHandedOver


def receive_handed_over(state: PoolState, event: ContactHandedOver, now_ms: int) -> list[PoolFact]:
    """The contact waits here, in the place that it had. One that is or was here already is not taken twice."""
    if event.contact_id in state.contacts or event.contact_id in state.resolved:
        return []
    if event.contact_id in state.forwarded_threads or state.pool in event.passed:
        return []
    if event.letter is not None and event.letter.message_id in state.messages:
        return []  # It joined another contact of its thread when it came.
    joined = _join(state, event, now_ms)
    return joined if joined is not None else _begin(state, event, event.contact_id, event.due_ms, now_ms)


def receive_message_handed_over(state: PoolState, event: MessageHandedOver, now_ms: int) -> list[PoolFact]:
    """The message belongs to its thread's contact here, follows it on to where it is now, or opens another."""
    if event.letter.message_id in state.messages or state.pool in event.passed:
        return []
    joined = _join(state, event, now_ms)
    if joined is not None:
        return joined
    forwarding = state.forwarded.get(event.thread_id)
    if forwarding is not None and forwarding.to_pool not in event.passed:
        return [_forward(state, event, forwarding, event.letter, now_ms)]
    contact_id = event.opens
    if contact_id in state.contacts or contact_id in state.resolved:
        contact_id = f"{contact_id}_{state.arrivals + 1}"
    return _begin(state, event, contact_id, None, now_ms)


def _join(state: PoolState, event: _Handover, now_ms: int) -> list[PoolFact] | None:
    """What the message does to a contact of its thread that is here; None where it is to begin one."""
    letter = event.letter
    open_id, abandoned_id = state.index.threads.get(event.thread_id), state.index.abandoned.get(event.thread_id)
    contact_id = open_id or abandoned_id
    if contact_id is None:
        return None
    if letter is None or letter.message_id in state.messages:
        return []
    contact, wish = state.contacts[contact_id], _wish_of(event)
    if open_id is not None:
        joined = MessageJoined(
            pool=state.pool,
            at_ms=now_ms,
            contact_id=open_id,
            message_id=letter.message_id,
            email_message_id=letter.email_message_id,
        )
        return [joined, *callback_of_joined(state, wish, event.channel, contact, now_ms)]
    if isinstance(event, MessageHandedOver) and contact.resumable_until_ms > now_ms:
        returned = ContactReturned(
            pool=state.pool,
            at_ms=now_ms,
            contact_id=contact_id,
            message_id=letter.message_id,
            email_message_id=letter.email_message_id,
            waits_anew=True,
        )
        return [returned, *callback_of_new(state, wish, contact_id, contact.queue, now_ms, contact.notices)]
    return None


def _wish_of(event: _Handover) -> CallbackWish | None:
    """The call that the customer asked for by this message. A contact that is handed over is no callback: those are not forwarded."""
    return event.callback if isinstance(event, MessageHandedOver) else None


def _begin(state: PoolState, event: _Handover, contact_id: str, due_ms: int | None, now_ms: int) -> list[PoolFact]:
    if not state.queues:
        return [refuse(event, RefusalReason.QUEUE_UNKNOWN, _NO_QUEUE, contact_id, now_ms)]
    if len(state.contacts) >= limits.CONTACTS_MAX:
        return [refuse(event, RefusalReason.LIMIT_REACHED, _FULL, contact_id, now_ms)]
    queue = accepting_queue(state, state.queues.get(event.queue or "") or next(iter(state.queues.values())))
    asked = None if queue.id == event.queue else event.queue
    queued = _queued(state, event, queue, contact_id, due_ms, asked, now_ms)
    opened = [queued, *callback_of_new(state, _wish_of(event), contact_id, queue.id, now_ms, queued.notices)]
    abandoned_id = state.index.abandoned.get(event.thread_id)
    if abandoned_id is None:
        return opened
    return [ContactLapsed(pool=state.pool, at_ms=now_ms, contact_id=abandoned_id), *opened]


def _queued(
    state: PoolState,
    event: _Handover,
    queue: QueueConfiguration,
    contact_id: str,
    due_ms: int | None,
    asked: str | None,
    now_ms: int,
) -> ContactQueued:
    letter = event.letter or Letter(message_id="", account="")
    priority = policies.bounded_priority(event.priority, queue)
    received_ms = min(event.received_ms, now_ms)
    if due_ms is None:
        target_ms = policies.target_ms(queue, event.channel, priority, state.channel_targets_ms)
        due_ms = policies.due_ms(policies.counting(queue, state.calendars), received_ms, target_ms)
    skills, alternatives = policies.asked_needs(queue, event.skills, event.any_of)
    return ContactQueued(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact_id,
        message_id=letter.message_id,
        thread_id=event.thread_id,
        account=letter.account,
        channel=event.channel,
        handle=event.handle,
        queue=queue.id,
        skills=skills,
        priority=priority,
        received_ms=received_ms,
        due_ms=due_ms,
        offer_timeout_ms=policies.offer_timeout_ms(queue, state.channels.get(event.channel)),
        queue_asked=asked,
        handles=letter.handles,
        name=letter.name,
        subject=letter.subject,
        language=letter.language,
        email_message_id=letter.email_message_id,
        email_references=letter.email_references,
        automatic=letter.automatic,
        alternatives=alternatives,
        relax_ms=relax_ms(state, queue, now_ms, 0),
        overflow=arrival_overflow(state, queue, event.channel, now_ms, handle=event.handle, passed=event.passed),
        asked=policies.bounded_levels(event.skills),
        asked_any_of=event.any_of,
        passed=event.passed,
        correlation_id=letter.correlation_id if state.index.terms.forwards else "",
        notices=event.notices if isinstance(event, ContactHandedOver) else 0,
    )


def forward_message(state: PoolState, event: ContactReceived, forwarding: Forwarding, now_ms: int) -> MessageForwarded:
    """A customer's message follows the contact of its thread into the pool where that is now."""
    message = event.message
    handed = MessageHandedOver(
        pool=state.pool,
        contact_id=forwarding.contact_id,
        opens=event.contact_id,
        passed=(),
        thread_id=message.thread_id,
        channel=message.channel,
        handle=message.handle,
        received_ms=policies.received_ms(message, now_ms),
        letter=_letter(message, event.correlation_id),
        skills=event.skills,
        any_of=event.any_of,
        priority=event.priority,
        callback=event.callback,
    )
    return _forward(state, handed, forwarding, handed.letter, now_ms)


def _forward(
    state: PoolState, event: MessageHandedOver, forwarding: Forwarding, letter: Letter, now_ms: int
) -> MessageForwarded:
    return MessageForwarded(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=event.contact_id,
        opens=event.opens,
        to_pool=forwarding.to_pool,
        message_id=letter.message_id,
        passed=(*event.passed, state.pool),
        thread_id=event.thread_id,
        channel=event.channel,
        handle=event.handle,
        received_ms=event.received_ms,
        letter=letter,
        queue=forwarding.queue,
        skills=event.skills,
        any_of=event.any_of,
        priority=event.priority,
        callback=event.callback,
    )


def _letter(message: Message, correlation_id: str) -> Letter:
    return Letter(
        message_id=message.id,
        account=message.account,
        handles=message.handles[: limits.HANDLES_PER_CONTACT_MAX],
        name=message.name,
        subject=message.subject,
        language=message.language,
        email_message_id=message.email_message_id,
        email_references=message.email_references[-limits.EMAIL_REFERENCES_MAX :],
        automatic=message.automatic,
        correlation_id=correlation_id,
    )


def forward_leaving(state: PoolState, event: CustomerLeft, now_ms: int) -> list[PoolFact] | None:
    """That a customer left follows a contact into the pool where it is now; None where it was not forwarded."""
    thread_id = state.forwarded_threads.get(event.contact_id)
    if thread_id is None:
        return None
    to_pool = state.forwarded[thread_id].to_pool
    return [
        LeavingForwarded(
            pool=state.pool,
            at_ms=now_ms,
            contact_id=event.contact_id,
            to_pool=to_pool,
            declines_callback=event.declines_callback,
            correlation_id=event.correlation_id,
        )
    ]


def end_forwarded(state: PoolState, event: ForwardedContactEnded, now_ms: int) -> list[PoolFact]:
    """The contact is over where it was forwarded to."""
    if state.forwarded_threads.get(event.contact_id) != event.thread_id:
        return []
    return [ForwardEnded(pool=state.pool, at_ms=now_ms, contact_id=event.contact_id, thread_id=event.thread_id)]


def handovers_appended(state: PoolState, event: HandoversAppended, now_ms: int) -> list[PoolFact]:
    """Of what is said to be delivered that which waits for it still."""
    known = tuple(handover_id for handover_id in dict.fromkeys(event.ids) if handover_id in state.outbox)
    return [HandoversDelivered(pool=state.pool, at_ms=now_ms, ids=known)] if known else []
