"""Deciding what a supervisor does with a contact, wherever it stands: giving it to an agent, taking it back, changing it, ending it.

That it is a supervisor is checked where the command comes in.
"""

from __future__ import annotations

from libs.common.events.inputs import AssignContact, CancelContact, ChangeContact, RequeueContact
from libs.common.events.pool import QueueConfiguration
from libs.common.events.routing import (
    ContactAssigned,
    ContactCancelled,
    ContactChanged,
    ContactRequeued,
    InputRefused,
    PoolFact,
)
from services.router.core import limits, policies
from services.router.core.drains import DRAINED, takes_none
from services.router.core.due import CAUSE_SUPERVISOR, withdraw_open_offer
from services.router.core.entities import Contact, Presence
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.relaxation import relax_ms
from services.router.core.standing import AGENT_UNKNOWN, IN_HAND, held_contact, is_member, known_contact
from services.router.core.transitions import ContactState

_CHANGED = "changed"


def assign_contact(state: PoolState, event: AssignContact, now_ms: int) -> list[PoolFact]:
    """The agent has the contact, whatever his capacity: what he has too much of is said. An offer is taken back first, and whoever had it
    gives it back first.
    """
    contact = known_contact(state, event, event.contact_id, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    target = event.target_agent_id
    if not is_member(state, target):
        return [refuse(event, RefusalReason.AGENT_UNKNOWN, AGENT_UNKNOWN, target, now_ms)]
    if contact.state is ContactState.WRAP_UP:
        return [_in_wrap_up(event, contact, now_ms)]
    if contact.agent_id == target and contact.state in IN_HAND:
        return [refuse(event, RefusalReason.ALREADY_ASSIGNED, "The agent has the contact.", contact.id, now_ms)]
    if state.agents[target].presence is Presence.OFFLINE:
        return [refuse(event, RefusalReason.AGENT_AWAY, "The agent is offline.", target, now_ms)]
    desk = state.index.desks[target]
    fits = desk.has_room_for_offer if contact.agent_id == target else desk.fits
    assigned = ContactAssigned(
        pool=state.pool,
        at_ms=now_ms,
        command_id=event.command_id,
        contact_id=contact.id,
        agent_id=target,
        by=event.agent_id,
        over_capacity=not fits(contact.channel),
    )
    if contact.state in IN_HAND:
        return [_requeued(state, contact, event.agent_id, 0, None, now_ms), assigned]
    return [*withdraw_open_offer(state, contact, CAUSE_SUPERVISOR, now_ms), assigned]


def requeue_contact(state: PoolState, event: RequeueContact, now_ms: int) -> list[PoolFact]:
    """The contact waits again in its old place, and does not go at once to whom it was taken from."""
    contact = held_contact(state, event, event.contact_id, IN_HAND, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    back_ms = state.rules.transfer_back_ms
    barred_until_ms = now_ms + back_ms if back_ms else 0
    return [_requeued(state, contact, event.agent_id, barred_until_ms, event.command_id, now_ms)]


def _requeued(
    state: PoolState, contact: Contact, by: str, barred_until_ms: int, command_id: str | None, now_ms: int
) -> ContactRequeued:
    assert contact.agent_id is not None, "a contact in hand is an agent's"
    return ContactRequeued(
        pool=state.pool,
        at_ms=now_ms,
        command_id=command_id,
        contact_id=contact.id,
        agent_id=contact.agent_id,
        cause=CAUSE_SUPERVISOR,
        by=by,
        barred_until_ms=barred_until_ms,
    )


def change_contact(state: PoolState, event: ChangeContact, now_ms: int) -> list[PoolFact]:
    """The contact is what is asked for from now on, and due by its new priority and queue. Where it asks for something else, an open
    offer is taken back: it may be for somebody else now.
    """
    contact = known_contact(state, event, event.contact_id, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    if contact.state is ContactState.WRAP_UP:
        return [_in_wrap_up(event, contact, now_ms)]
    if event.queue is not None and event.queue not in state.queues:
        return [refuse(event, RefusalReason.QUEUE_UNKNOWN, "The pool has no such queue.", event.queue, now_ms)]
    if event.queue != contact.queue and takes_none(state, event.queue):
        return [refuse(event, RefusalReason.QUEUE_DRAINED, DRAINED, event.queue, now_ms)]
    changed = _changed(state, event, contact, now_ms)
    if event.queue is None and event.skills is None:
        return [changed]
    return [*withdraw_open_offer(state, contact, _CHANGED, now_ms), changed]


def _changed(state: PoolState, event: ChangeContact, contact: Contact, now_ms: int) -> ContactChanged:
    priority = contact.priority
    if event.priority is not None:
        priority = policies.bound(event.priority, limits.PRIORITY_MIN, limits.PRIORITY_MAX)
    name = contact.queue if event.queue is None else event.queue
    queue = state.queues.get(name)
    before = state.queues.get(contact.queue)
    skills, alternatives = policies.moved_needs(contact, before, queue, event.skills)
    anew = name != contact.queue or event.skills is not None
    return ContactChanged(
        pool=state.pool,
        at_ms=now_ms,
        command_id=event.command_id,
        contact_id=contact.id,
        by=event.agent_id,
        queue=name,
        skills=skills,
        alternatives=alternatives,
        priority=priority,
        due_ms=_due_ms(state, contact, queue, priority),
        offer_timeout_ms=contact.offer_timeout_ms
        if event.queue is None or queue is None
        else policies.offer_timeout_ms(queue, state.channels.get(contact.channel)),
        relax_ms=relax_ms(state, queue, now_ms, 0) if queue is not None and anew else 0,
        asked=None if event.skills is None else policies.bounded_levels(event.skills),
    )


def _due_ms(state: PoolState, contact: Contact, queue: QueueConfiguration | None, priority: int) -> int:
    """When the contact is due by this queue and priority; one whose queue is gone keeps its place."""
    if queue is None or (queue.id == contact.queue and priority == contact.priority):
        return contact.due_ms
    target_ms = policies.target_ms(queue, contact.channel, priority, state.channel_targets_ms)
    return policies.due_ms(policies.counting(queue, state.calendars), contact.received_ms, target_ms)


def cancel_contact(state: PoolState, event: CancelContact, now_ms: int) -> list[PoolFact]:
    """The contact is over, wherever it stands; one in wrap-up was answered and is not cancelled."""
    contact = known_contact(state, event, event.contact_id, now_ms)
    if isinstance(contact, InputRefused):
        return [contact]
    if contact.state is ContactState.WRAP_UP:
        return [_in_wrap_up(event, contact, now_ms)]
    cancelled = ContactCancelled(
        pool=state.pool,
        at_ms=now_ms,
        command_id=event.command_id,
        contact_id=contact.id,
        by=event.agent_id,
        agent_id=contact.agent_id if contact.state in IN_HAND else None,
        reason=event.reason,
    )
    return [*withdraw_open_offer(state, contact, CAUSE_SUPERVISOR, now_ms), cancelled]


def _in_wrap_up(event: AssignContact | ChangeContact | CancelContact, contact: Contact, now_ms: int) -> InputRefused:
    detail = "The contact was resolved before and is in wrap-up."
    return refuse(event, RefusalReason.ALREADY_RESOLVED, detail, contact.id, now_ms)
