"""What is due when. Offers end, wrap-ups end, back-offs are over, calendars turn, contacts are relaxed: one heap in the index, read here.

An entry is never searched for and taken out: it stays until it comes up, and is dropped then when what it was for is no more.
"""

from __future__ import annotations

import heapq

from services.router.core import timer_kinds
from services.router.core.calendars import next_turn_ms
from services.router.core.model import PoolState
from services.router.core.overflow_times import overflow_due
from services.router.core.timer_kinds import Timer
from services.router.core.transitions import ContactState


def _holds(state: PoolState, timer: Timer) -> bool:
    due_ms, kind, of_id = timer
    if kind == timer_kinds.OFFER:
        return of_id in state.offers
    if kind == timer_kinds.CALENDAR:
        calendar = state.calendars.get(of_id)
        return calendar is not None and next_turn_ms(calendar) == due_ms
    contact = state.contacts.get(of_id)
    if contact is None:
        return False
    if kind == timer_kinds.WRAP_UP:
        return contact.wrap_up is not None and contact.wrap_up.until_ms == due_ms
    if kind == timer_kinds.ABANDONED:
        return contact.state is ContactState.ABANDONED and contact.resumable_until_ms == due_ms
    if kind == timer_kinds.CALLBACK:
        callback = contact.callback
        return contact.state is ContactState.SCHEDULED and callback is not None and callback.not_before_ms == due_ms
    if contact.state is not ContactState.QUEUED:
        return False
    if kind == timer_kinds.RELAX:
        return contact.relax_ms == due_ms and contact.relaxed < state.index.terms.relaxations.get(contact.queue, 0)
    if kind == timer_kinds.OVERFLOW:
        found = overflow_due(contact, state.index.terms, state.calendars)
        return found is not None and found[0] == due_ms
    if kind == timer_kinds.ONLY:
        named = state.index.named.get(contact.only_agent or "", {})
        return of_id in named and contact.only_until_ms == due_ms
    excluded = state.index.waiting.by_contact[of_id].excluded
    return any(decline.until_ms == due_ms and decline.agent_id in excluded for decline in contact.declines)


def first_timer(state: PoolState) -> Timer | None:
    """The next thing to become due."""
    timers = state.index.timers
    while timers:
        if _holds(state, timers[0]):
            return timers[0]
        heapq.heappop(timers)
    return None


def drop_stale_timers(state: PoolState, now_ms: int) -> None:
    """Drop what came up by `now_ms` and is no more, so that folding for long does not pile it up."""
    timers = state.index.timers
    while timers and timers[0][0] <= now_ms and not _holds(state, timers[0]):
        heapq.heappop(timers)


def next_deadline_ms(state: PoolState) -> int | None:
    """When `step` must be called with a `TimeAdvanced` at the latest; None when nothing waits for the time.

    The state's own time when a settling was interrupted: what is left is due now.
    """
    if state.index.is_unsettled():
        return state.now_ms
    timer = first_timer(state)
    return None if timer is None else timer[0]
