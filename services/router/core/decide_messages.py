"""Deciding what a customer's message does: it opens a contact, or joins the open one of its thread."""

from __future__ import annotations

from typing import Final

from libs.common.events.inputs import ContactReceived
from libs.common.events.message import Message
from libs.common.events.pool import QueueConfiguration
from libs.common.events.routing import ContactQueued, MessageJoined, PoolFact
from services.router.core import limits, policies
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.transitions import JOINABLE

_NO_QUEUE: Final = "The pool has no queue; the message was not routed."
_FULL: Final = "The pool holds as many contacts as it may; the message was not routed."


def receive_contact(state: PoolState, event: ContactReceived, now_ms: int) -> list[PoolFact]:
    """A message that was seen before does nothing. One whose thread has an open contact (queued, offered, active or held) joins it.

    While a contact is in wrap-up its agent has called it done: a further message opens a contact of its own. A queue that the pool does
    not have is replaced by the pool's first one, and the fact says so; only a pool without any queue refuses.
    """
    message = event.message
    if message.id in state.messages:
        return []
    open_contact_id = _open_contact(state, event)
    if open_contact_id is not None:
        return [
            MessageJoined(
                pool=state.pool,
                at_ms=now_ms,
                contact_id=open_contact_id,
                message_id=message.id,
                email_message_id=message.email_message_id,
            )
        ]
    if not state.queues:
        return [refuse(event, RefusalReason.QUEUE_UNKNOWN, _NO_QUEUE, message.id, now_ms)]
    if len(state.contacts) >= limits.CONTACTS_MAX:
        return [refuse(event, RefusalReason.LIMIT_REACHED, _FULL, message.id, now_ms)]
    queue = state.queues.get(event.queue)
    asked = None if queue is not None else event.queue
    return [_open(state, event, queue or next(iter(state.queues.values())), asked, now_ms)]


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
    skills, alternatives = policies.asked_needs(queue, event.skills, event.any_of)
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
    )


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
