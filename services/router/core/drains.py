"""Letting a queue run empty: where its new contacts go, and where those that wait in it are moved. Decides, and changes nothing.

A drain names another queue, which is not drained itself, or none. Who has a contact of the queue in hand keeps it. Asked by the `decide`
modules and by settling; `fold_configure` keeps only what the new configuration leaves possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from libs.common.events.inputs import DrainQueue
from libs.common.events.pool import QueueConfiguration
from libs.common.events.routing import ContactMoved, DrainLifted, PoolFact, QueueDrained
from services.router.core.model import PoolState
from services.router.core.overflow import moved_to
from services.router.core.refusals import RefusalReason, refuse

CAUSE_DRAIN: Final = "drain"

DRAINED: Final = "The queue takes no contacts now: it is drained."
_UNKNOWN: Final = "The pool has no such queue."


def accepting_queue(state: PoolState, queue: QueueConfiguration) -> QueueConfiguration:
    """Where a contact that is meant for this queue goes: here, or where it is drained to.

    Where every queue is drained, here in spite of it: no contact is lost over a drain.
    """
    if queue.id not in state.drains:
        return queue
    target = state.drains[queue.id]
    if target is not None:
        return state.queues[target]
    return default_queue(state.queues, state.drains) or queue


def default_queue(
    queues: Mapping[str, QueueConfiguration], drains: Mapping[str, str | None]
) -> QueueConfiguration | None:
    """The pool's first queue that is not drained; None when all are."""
    return next((queue for queue in queues.values() if queue.id not in drains), None)


def drain_queue(state: PoolState, event: DrainQueue, now_ms: int) -> list[PoolFact]:
    """The queue runs empty from now on, or takes contacts again. What waits in it is moved in settling."""
    if event.queue not in state.queues:
        return [refuse(event, RefusalReason.QUEUE_UNKNOWN, _UNKNOWN, event.queue, now_ms)]
    if event.lift:
        if event.queue not in state.drains:
            return [refuse(event, RefusalReason.QUEUE_NOT_DRAINED, "The queue is not drained.", event.queue, now_ms)]
        return [
            DrainLifted(
                pool=state.pool, at_ms=now_ms, command_id=event.command_id, queue=event.queue, by=event.agent_id
            )
        ]
    why_not = _why_not(state, event.queue, event.to_queue)
    if why_not is not None:
        return [refuse(event, *why_not, event.to_queue or event.queue, now_ms)]
    return [
        QueueDrained(
            pool=state.pool,
            at_ms=now_ms,
            command_id=event.command_id,
            queue=event.queue,
            by=event.agent_id,
            to_queue=event.to_queue,
        )
    ]


def _why_not(state: PoolState, queue: str, target: str | None) -> tuple[RefusalReason, str] | None:
    """Why the queue cannot be drained in this way: its contacts would go round, or nowhere."""
    others = {name: to for name, to in state.drains.items() if name != queue}
    if queue in others.values():
        detail = "Another queue is drained to this one; end that first."
        return RefusalReason.DRAIN_TARGET, detail
    if target is None:
        if default_queue(state.queues, {**others, queue: None}) is None:
            return RefusalReason.DRAIN_WITHOUT_TARGET, "No other queue takes contacts."
        return None
    if target == queue:
        return RefusalReason.DRAIN_TO_ITSELF, "A queue cannot be drained to itself."
    if target not in state.queues:
        return RefusalReason.QUEUE_UNKNOWN, _UNKNOWN
    if target in others:
        return RefusalReason.DRAIN_TO_DRAINED, "The queue to drain to is drained itself."
    return None


def takes_none(state: PoolState, queue: str | None) -> bool:
    """Whether nothing may be put into this queue by name: it is worked off, and what was put into it would be new there."""
    return queue is not None and queue in state.drains and state.drains[queue] is None


def next_move(state: PoolState, now_ms: int) -> ContactMoved | None:
    """The next waiting contact that stands in a queue that is drained to another, in the order of rank."""
    moving = state.index.moving
    if not moving.contacts:
        return None
    contact = state.contacts[moving.contacts.first()[2]]
    queue = state.queues[moving.targets[contact.queue]]
    return moved_to(state, contact, queue, now_ms, cause=CAUSE_DRAIN)
