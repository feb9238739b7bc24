"""Deciding: which facts one input causes by itself. What follows from those is settling's business.

Reads the state and changes nothing. `decide` is called by `step`; each kind of input is decided in the module that its family is in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from libs.common.events.inputs import (
    AcceptOffer,
    AddNote,
    AgentsSeen,
    AnyInput,
    AssignContact,
    CancelContact,
    ChangeContact,
    Command,
    ConfigurePool,
    ContactHandedOver,
    ContactReceived,
    CustomerLeft,
    DrainQueue,
    EndConsult,
    ExtendCalendars,
    ExtendWrapUp,
    FinishWrapUp,
    ForwardedContactEnded,
    HandoversAppended,
    HoldContact,
    MessageHandedOver,
    PullContact,
    RejectOffer,
    ReportNotReached,
    RequestCallback,
    RequeueContact,
    ResolveContact,
    SetPresence,
    StartConsult,
    TimeAdvanced,
    TransferContact,
    UnholdContact,
)
from libs.common.events.routing import PoolFact
from services.router.core.decide_callbacks import report_not_reached, request_callback
from services.router.core.decide_commands import (
    add_note,
    confirm_presence,
    extend_wrap_up,
    finish_wrap_up,
    resolve_contact,
    set_presence,
)
from services.router.core.decide_consult import end_consult, start_consult
from services.router.core.decide_forwarding import (
    end_forwarded,
    handovers_appended,
    receive_handed_over,
    receive_message_handed_over,
)
from services.router.core.decide_messages import customer_left, receive_contact
from services.router.core.decide_offers import accept_offer, pull_contact, reject_offer
from services.router.core.decide_pool import configure_pool, extend_calendars
from services.router.core.decide_supervision import assign_contact, cancel_contact, change_contact, requeue_contact
from services.router.core.decide_transfer import hold_contact, transfer_contact, unhold_contact
from services.router.core.drains import drain_queue
from services.router.core.model import PoolState


def _advance_time(state: PoolState, event: TimeAdvanced, now_ms: int) -> list[PoolFact]:
    return []  # Time passes with every input; what is due is settled after this.


_DECISIONS: Final[dict[type, Callable[[PoolState, Any, int], list[PoolFact]]]] = {
    ContactReceived: receive_contact,
    CustomerLeft: customer_left,
    ContactHandedOver: receive_handed_over,
    MessageHandedOver: receive_message_handed_over,
    ForwardedContactEnded: end_forwarded,
    HandoversAppended: handovers_appended,
    SetPresence: set_presence,
    AcceptOffer: accept_offer,
    RejectOffer: reject_offer,
    ResolveContact: resolve_contact,
    FinishWrapUp: finish_wrap_up,
    ExtendWrapUp: extend_wrap_up,
    TransferContact: transfer_contact,
    HoldContact: hold_contact,
    UnholdContact: unhold_contact,
    PullContact: pull_contact,
    StartConsult: start_consult,
    EndConsult: end_consult,
    AssignContact: assign_contact,
    RequeueContact: requeue_contact,
    ChangeContact: change_contact,
    CancelContact: cancel_contact,
    DrainQueue: drain_queue,
    RequestCallback: request_callback,
    ReportNotReached: report_not_reached,
    AddNote: add_note,
    AgentsSeen: confirm_presence,
    TimeAdvanced: _advance_time,
    ConfigurePool: configure_pool,
    ExtendCalendars: extend_calendars,
}


def decide(state: PoolState, event: AnyInput, now_ms: int) -> list[PoolFact]:
    """The facts that this input causes at `now_ms`, not applied. Empty for a message or command that was decided before."""
    if isinstance(event, Command) and event.command_id in state.commands:
        return []
    return _DECISIONS[type(event)](state, event, now_ms)
