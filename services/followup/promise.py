"""When a customer can expect an answer, in view of the opening hours. Pure: no clock, no I/O. `intake` calls it for acknowledgements."""

from __future__ import annotations

from dataclasses import dataclass

from libs.common.configuration.models import Configuration
from libs.common.configuration.opening import open_state, openings_of, queue_calendar
from libs.common.events.routing import ContactQueued


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What an acknowledgement may say. `within_ms`: how long the answer will take, counted from `opens_ms` where that is set.

    `by_ms`: when it will be there, in place of `within_ms` where the firm closes in between. `opens_ms`: when the firm, which is closed
    now, opens again. Points in time are said on the clock of `timezone`.
    """

    within_ms: int | None = None
    by_ms: int | None = None
    opens_ms: int | None = None
    timezone: str = "UTC"


def promise_opening(configuration: Configuration, queue_id: str, at_ms: int) -> Promise:
    """When a queue that is closed, and answers nobody until then, opens again; nothing where it is open, or nobody knows."""
    queue = configuration.queues.get(queue_id)
    calendar_id = None if queue is None else queue_calendar(configuration, queue_id)
    if queue is None or calendar_id is None or queue.offer_when_closed:
        return Promise()
    opening = openings_of(configuration, queue.pool)[calendar_id]
    state = open_state(opening, at_ms)
    return Promise() if state.is_open else Promise(opens_ms=state.turns_ms, timezone=opening.timezone)


def promise_answer(configuration: Configuration, contact: ContactQueued) -> Promise:
    """The promise for a contact that was queued just now. A queue that is not in the configuration has no hours."""
    plain = Promise(within_ms=max(0, contact.due_ms - contact.received_ms))
    queue = configuration.queues.get(contact.queue)
    calendar_id = None if queue is None else queue_calendar(configuration, contact.queue)
    if queue is None or calendar_id is None:
        return plain
    opening = openings_of(configuration, queue.pool)[calendar_id]
    state = open_state(opening, contact.at_ms)
    if state.is_open:
        if queue.target_in_open_time and state.turns_ms is not None and contact.due_ms > state.turns_ms:
            return Promise(by_ms=contact.due_ms, timezone=opening.timezone)
        return plain
    if queue.offer_when_closed and not queue.target_in_open_time:
        return plain  # They answer while they are closed.
    if state.turns_ms is None:
        return Promise()  # Closed, and nobody knows for how long: there is nothing to promise.
    within_ms = contact.due_ms - state.turns_ms
    return Promise(within_ms=within_ms if within_ms > 0 else None, opens_ms=state.turns_ms, timezone=opening.timezone)
