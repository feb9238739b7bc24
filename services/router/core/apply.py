"""Folding: the only place that changes a pool's state.

`apply` checks first and changes afterwards: a fact that cannot follow raises IllegalFactError and leaves everything as it was. It
decides nothing and computes nothing that a fact could say. `step` and `settle` apply what they decide, recovery applies what stands
on the log; both ways give the same state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from libs.common.events.routing import (
    CalendarsExtended,
    CalendarTurned,
    CallbackDue,
    CallbackMissed,
    CallbackScheduled,
    CallbackWithdrawn,
    ConsultEnded,
    ConsultStarted,
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactChanged,
    ContactFlagged,
    ContactForwarded,
    ContactHeld,
    ContactLapsed,
    ContactMerged,
    ContactMoved,
    ContactQueued,
    ContactRelaxed,
    ContactRequeued,
    ContactResolved,
    ContactReturned,
    ContactTransferred,
    ContactUnheld,
    CustomerNotice,
    DrainLifted,
    ForwardEnded,
    HandoversDelivered,
    InputRefused,
    LeavingForwarded,
    MessageForwarded,
    MessageJoined,
    NoteAdded,
    OfferExpired,
    OfferMade,
    OfferRejected,
    OfferWithdrawn,
    PoolConfigured,
    PoolFact,
    PresenceChanged,
    PresenceConfirmed,
    QueueDrained,
    QueuePaced,
    WaitExpected,
    WrapUpExtended,
    WrapUpStarted,
)
from services.router.core.apply_callbacks import fold_due, fold_merge, fold_miss, fold_schedule, fold_withdraw
from services.router.core.apply_contacts import (
    fold_abandon,
    fold_cancel,
    fold_change,
    fold_consult,
    fold_consult_end,
    fold_extend,
    fold_flag,
    fold_hold,
    fold_join,
    fold_lapse,
    fold_queue,
    fold_relax,
    fold_requeue,
    fold_resolve,
    fold_return,
    fold_tell,
    fold_transfer,
    fold_unhold,
    fold_wrap_up,
)
from services.router.core.apply_forwarding import (
    fold_deliver,
    fold_forward,
    fold_forward_end,
    fold_forward_leaving,
    fold_forward_message,
)
from services.router.core.apply_moves import fold_move, fold_notice
from services.router.core.apply_offers import fold_assign, fold_end_offer, fold_offer
from services.router.core.apply_pool import (
    fold_change_presence,
    fold_configure,
    fold_confirm_presence,
    fold_drain,
    fold_extend_calendars,
    fold_lift_drain,
    fold_turn_calendar,
    note_seen,
)
from services.router.core.model import PoolState
from services.router.core.pace import PACED, fold_paced
from services.router.core.timers import drop_stale_timers
from services.router.core.transitions import IllegalFactError


def apply(state: PoolState, fact: PoolFact) -> None:
    """Fold one fact into the state. Raises IllegalFactError, with the state unchanged, when it cannot follow on it."""
    if fact.pool != state.pool:
        raise IllegalFactError(f"a fact of pool {fact.pool} for pool {state.pool}")
    now_ms = max(state.now_ms, fact.at_ms)
    if now_ms < state.index.now_ms:
        state.index.set_back(now_ms, state.contacts)
    follow_pace = PACED.get(type(fact))
    if follow_pace is None:
        _FOLDS[type(fact)](state, fact)
    else:
        before = state.contacts.get(getattr(fact, "contact_id", ""))
        _FOLDS[type(fact)](state, fact)
        follow_pace(state, before, now_ms)
    state.now_ms = now_ms
    index = state.index  # Another one after a configuration.
    index.forget_ended(now_ms)
    if index.timers and index.timers[0][0] <= now_ms:
        drop_stale_timers(state, now_ms)
    if fact.command_id is not None:
        state.commands.add(fact.command_id, now_ms)
        # Who does something is there, though nobody has told so yet.
        agent_id = getattr(fact, "agent_id", None)
        if agent_id is not None:
            note_seen(state, agent_id, now_ms)


def _leave(state: PoolState, fact: NoteAdded | InputRefused | CustomerNotice) -> None:
    """Facts that only show in the command ids seen."""


_FOLDS: Final[dict[type, Callable[[PoolState, Any], None]]] = {
    PoolConfigured: fold_configure,
    CalendarsExtended: fold_extend_calendars,
    CalendarTurned: fold_turn_calendar,
    ContactQueued: fold_queue,
    ContactRelaxed: fold_relax,
    WaitExpected: fold_tell,
    CallbackScheduled: fold_schedule,
    CallbackDue: fold_due,
    CallbackMissed: fold_miss,
    CallbackWithdrawn: fold_withdraw,
    ContactMerged: fold_merge,
    ContactMoved: fold_move,
    CustomerNotice: fold_notice,
    QueuePaced: fold_paced,
    ContactForwarded: fold_forward,
    MessageForwarded: fold_forward_message,
    LeavingForwarded: fold_forward_leaving,
    ForwardEnded: fold_forward_end,
    HandoversDelivered: fold_deliver,
    MessageJoined: fold_join,
    OfferMade: fold_offer,
    OfferRejected: fold_end_offer,
    OfferExpired: fold_end_offer,
    OfferWithdrawn: fold_end_offer,
    ContactAssigned: fold_assign,
    ContactRequeued: fold_requeue,
    ContactTransferred: fold_transfer,
    ContactHeld: fold_hold,
    ContactUnheld: fold_unhold,
    ContactChanged: fold_change,
    ContactCancelled: fold_cancel,
    ContactFlagged: fold_flag,
    ConsultStarted: fold_consult,
    ConsultEnded: fold_consult_end,
    ContactAbandoned: fold_abandon,
    ContactReturned: fold_return,
    ContactLapsed: fold_lapse,
    WrapUpStarted: fold_wrap_up,
    WrapUpExtended: fold_extend,
    ContactResolved: fold_resolve,
    PresenceChanged: fold_change_presence,
    PresenceConfirmed: fold_confirm_presence,
    QueueDrained: fold_drain,
    DrainLifted: fold_lift_drain,
    NoteAdded: _leave,
    InputRefused: _leave,
}
