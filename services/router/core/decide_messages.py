"""Deciding what a customer's message does: it opens a contact, joins the open one of its thread, or brings one back that was abandoned;
and what it does that a customer leaves.
"""

from __future__ import annotations

from typing import Final

from libs.common.events.inputs import ContactReceived, CustomerLeft
from libs.common.events.message import Message
from libs.common.events.pool import QueueConfiguration
from libs.common.events.routing import (
    ContactAbandoned,
    ContactLapsed,
    ContactQueued,
    ContactReturned,
    MessageJoined,
    PoolFact,
)
from services.router.core import limits, policies
from services.router.core.callbacks import (
    callback_of_new,
    open_callback,
)
from services.router.core.decide_callbacks import callback_of_joined, decline_callback, withdraw_request
from services.router.core.decide_forwarding import forward_leaving, forward_message
from services.router.core.drains import accepting_queue
from services.router.core.due import CAUSE_LEFT, withdraw_open_offer
from services.router.core.model import PoolState
from services.router.core.overflow import arrival_overflow
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.relaxation import relax_ms
from services.router.core.standing import WAITING
from services.router.core.transitions import JOINABLE

# What inputs ask for that is kept once worked out. When there is more, all goes, and what is in use comes back at its next use.
_ASKED_NEEDS_MAX: Final = 5_000

_NO_QUEUE: Final = "The pool has no queue; the message was not routed."
_UNKNOWN: Final = "No such contact is known."
_FULL: Final = "The pool holds as many contacts as it may; the message was not routed."


def receive_contact(state: PoolState, event: ContactReceived, now_ms: int) -> list[PoolFact]:
    """A message that was seen before does nothing. One whose thread has an open contact (queued, offered, active, held or scheduled)
    joins it, and so does one from a number that is to be called back.

    While a contact is in wrap-up its agent has called it done: a further message opens a contact of its own. A queue that the pool does
    not have is replaced by the pool's first one, one that is drained by where it is drained to, and the fact says so; only a pool without
    any queue refuses.
    """
    message = event.message
    if message.id in state.messages:
        return []
    open_contact_id = _open_contact(state, event) or open_callback(state, event)
    if open_contact_id is not None:
        joined = MessageJoined(
            pool=state.pool,
            at_ms=now_ms,
            contact_id=open_contact_id,
            message_id=message.id,
            email_message_id=message.email_message_id,
            callback_request=_request(event, open_contact_id),
        )
        contact = state.contacts[open_contact_id]
        return [joined, *callback_of_joined(state, event.callback, message.channel, contact, now_ms)]
    abandoned_id = state.index.abandoned.get(message.thread_id)
    if abandoned_id is not None:
        abandoned = state.contacts[abandoned_id]
        if abandoned.resumable_until_ms > now_ms:
            back, wish = _return(state, abandoned_id, event, now_ms), event.callback
            return [back, *callback_of_new(state, wish, abandoned_id, abandoned.queue, now_ms, abandoned.notices)]
        return [ContactLapsed(pool=state.pool, at_ms=now_ms, contact_id=abandoned_id), *_begin(state, event, now_ms)]
    forwarding = state.forwarded.get(message.thread_id)
    if forwarding is not None:
        return [forward_message(state, event, forwarding, now_ms)]
    return _begin(state, event, now_ms)


def customer_left(state: PoolState, event: CustomerLeft, now_ms: int) -> list[PoolFact]:
    """A contact that waits is abandoned; one that is called back is not. What an agent has stays with him: he sees to it that it ends."""
    contact = state.contacts.get(event.contact_id)
    joined_id = state.requests.find(event.contact_id) if contact is None and event.declines_callback else None
    if joined_id is not None:
        return withdraw_request(state, state.contacts[joined_id], now_ms)
    if contact is None:
        followed = forward_leaving(state, event, now_ms)
        if followed is not None:
            return followed
        if event.contact_id in state.resolved:
            return []
        return [refuse(event, RefusalReason.CONTACT_UNKNOWN, _UNKNOWN, event.contact_id, now_ms)]
    if contact.state not in WAITING:
        return []
    if contact.callback is not None:
        return decline_callback(state, contact, now_ms) if event.declines_callback else []
    abandoned = ContactAbandoned(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        resumable_until_ms=now_ms + state.rules.abandoned_kept_ms,
        waited_ms=max(0, now_ms - contact.received_ms),
    )
    return [*withdraw_open_offer(state, contact, CAUSE_LEFT, now_ms), abandoned]


def _request(event: ContactReceived, contact_id: str) -> str | None:
    """The id by which the message's wish for a call is known to whoever handed it in, where that is not the contact's own."""
    return event.contact_id if event.callback is not None and event.contact_id != contact_id else None


def _return(state: PoolState, contact_id: str, event: ContactReceived, now_ms: int) -> ContactReturned:
    message = event.message
    return ContactReturned(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact_id,
        message_id=message.id,
        email_message_id=message.email_message_id,
        callback_request=_request(event, contact_id),
        waits_anew=True,
    )


def _begin(state: PoolState, event: ContactReceived, now_ms: int) -> list[PoolFact]:
    """The message opens a contact, where the pool can have one more."""
    message = event.message
    if not state.queues:
        return [refuse(event, RefusalReason.QUEUE_UNKNOWN, _NO_QUEUE, message.id, now_ms)]
    if len(state.contacts) >= limits.CONTACTS_MAX:
        return [refuse(event, RefusalReason.LIMIT_REACHED, _FULL, message.id, now_ms)]
    queue = accepting_queue(state, state.queues.get(event.queue) or next(iter(state.queues.values())))
    asked = None if queue.id == event.queue else event.queue
    queued = _open(state, event, queue, asked, now_ms)
    return [queued, *callback_of_new(state, event.callback, queued.contact_id, queue.id, now_ms)]


def _open_contact(state: PoolState, event: ContactReceived) -> str | None:
    """The contact that the message joins: its thread's, else the one that already has the id that the message would open."""
    found = state.index.threads.get(event.message.thread_id)
    if found is None:
        same = state.contacts.get(event.contact_id)
        if same is not None and same.state in JOINABLE:
            return same.id
    return found


def _open(
    state: PoolState, event: ContactReceived, queue: QueueConfiguration, asked: str | None, now_ms: int
) -> ContactQueued:
    message = event.message
    priority = policies.bounded_priority(event.priority, queue)
    received_ms = policies.received_ms(message, now_ms)
    skills, alternatives = _asked_needs(state, event, queue)
    preferred, preferred_until_ms = None, 0
    if event.preferred_agent is not None or queue.prefer_last_agent_ms > 0:
        preferred, preferred_until_ms = _preference(state, event, queue, skills, alternatives, now_ms)
    target_ms = policies.target_ms(queue, message.channel, priority, state.channel_targets_ms)
    return ContactQueued(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=_contact_id(state, event),
        message_id=message.id,
        thread_id=message.thread_id,
        account=message.account,
        channel=message.channel,
        handle=message.handle,
        queue=queue.id,
        skills=skills,
        priority=priority,
        received_ms=received_ms,
        due_ms=policies.due_ms(policies.counting(queue, state.calendars), received_ms, target_ms),
        offer_timeout_ms=policies.offer_timeout_ms(queue, state.channels.get(message.channel)),
        queue_asked=asked,
        handles=_handles(message),
        name=message.name,
        subject=message.subject,
        language=message.language,
        email_message_id=message.email_message_id,
        email_references=message.email_references[-limits.EMAIL_REFERENCES_MAX :],
        automatic=message.automatic,
        alternatives=alternatives,
        preferred_agent=preferred,
        preferred_until_ms=preferred_until_ms,
        relax_ms=relax_ms(state, queue, received_ms, 0),
        overflow=arrival_overflow(state, queue, message.channel, now_ms, handle=message.handle),
        asked=policies.bounded_levels(event.skills) if event.skills else {},
        asked_any_of=event.any_of,
        correlation_id=event.correlation_id if state.index.terms.forwards else "",
    )


def _asked_needs(
    state: PoolState, event: ContactReceived, queue: QueueConfiguration
) -> tuple[dict[str, int], tuple[dict[str, int], ...]]:
    """What the contact asks for. The same is asked for again and again, and has been worked out then."""
    if event.any_of:
        return policies.asked_needs(queue, event.skills, event.any_of)
    known, key = state.index.asked_needs, (queue.id, *event.skills.items())
    found = known.get(key)
    if found is None:
        if len(known) >= _ASKED_NEEDS_MAX:
            known.clear()
        found = known[key] = policies.asked_needs(queue, event.skills, ())
    return found


def _preference(
    state: PoolState,
    event: ContactReceived,
    queue: QueueConfiguration,
    skills: dict[str, int],
    alternatives: tuple[dict[str, int], ...],
    now_ms: int,
) -> tuple[str | None, int]:
    """The agent who alone is offered the contact at first, and until when: whom the input names, else who had the customer's last one.

    Nobody where he is not available or lacks the skills: then there is no reason to wait for him.
    """
    agent_id, for_ms = event.preferred_agent, queue.prefer_last_agent_ms
    if agent_id is not None:
        for_ms = for_ms or limits.PREFERRED_AGENT_MS
    elif for_ms > 0:
        agent_id = state.last_agents.get(event.message.handle)
    desk = None if agent_id is None else state.index.desks.get(agent_id)
    if desk is None or not desk.available:
        return None, 0
    needs = tuple(tuple(one.items()) for one in alternatives or (skills,))
    if not state.index.capability.requirement(needs).fits(desk.mask):
        return None, 0
    return desk.agent_id, now_ms + policies.bound(for_ms, 0, limits.PREFER_LAST_AGENT_MAX_MS)


def _contact_id(state: PoolState, event: ContactReceived) -> str:
    """The id that the input names, unless a contact in wrap-up has it: then one that no other contact of the pool can have."""
    if event.contact_id not in state.contacts:
        return event.contact_id
    return f"{event.contact_id}_{state.arrivals + 1}"


def _handles(message: Message) -> tuple[str, ...]:
    return message.handles[: limits.HANDLES_PER_CONTACT_MAX]
