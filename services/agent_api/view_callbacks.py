"""Folds callbacks: contacts whose customers are called. No I/O. Called by `view_routing`, and as there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from libs.common.events import routing
from services.agent_api.store.rows import ContactRow
from services.agent_api.store.workset import Workset
from services.agent_api.view_frames import (
    contact_of,
    end_consults,
    finish_command,
    note_down,
    show_contact,
    tell_update,
    touch_queue,
)


def _scheduled(rows: Workset, fact: routing.CallbackScheduled, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.callback = {"handle": fact.handle, "not_before_ms": fact.not_before_ms, "attempts": 0}
    contact.called_back = contact.called_back or contact.answered_ms is None
    _wait(rows, contact, fact.at_ms)
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "callback.scheduled",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        by=fact.by,
        cause=fact.cause,
        handle=fact.handle,
        not_before_ms=fact.not_before_ms,
    )
    finish_command(rows, fact.command_id, "request-callback", show_contact(rows, contact), at_ms=fact.at_ms)
    # Who had it is told that it is gone; supervisors hear everything.
    tell_update(rows, contact, "callback-scheduled", at_ms=fact.at_ms, agent_id=fact.agent_id)


def _due(rows: Workset, fact: routing.CallbackDue, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.state = "queued"
    contact.queued_ms = fact.at_ms
    note_down(rows, entry_id, contact.contact_id, "callback.due", at_ms=fact.at_ms, cause=fact.cause)
    touch_queue(rows, contact)
    tell_update(rows, contact, "callback-due", at_ms=fact.at_ms)


def _missed(rows: Workset, fact: routing.CallbackMissed, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    handle = "" if contact.callback is None else contact.callback["handle"]
    contact.callback = {"handle": handle, "not_before_ms": fact.not_before_ms, "attempts": fact.attempts}
    _wait(rows, contact, fact.at_ms)
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "callback.missed",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        attempts=fact.attempts,
        not_before_ms=fact.not_before_ms,
    )
    finish_command(rows, fact.command_id, "report-not-reached", show_contact(rows, contact), at_ms=fact.at_ms)
    tell_update(rows, contact, "callback-missed", at_ms=fact.at_ms, agent_id=fact.agent_id)


def _withdrawn(rows: Workset, fact: routing.CallbackWithdrawn, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.callback = None
    if contact.state == "scheduled":
        contact.queued_ms = fact.at_ms
    contact.state = "queued"
    note_down(rows, entry_id, contact.contact_id, "callback.withdrawn", at_ms=fact.at_ms)
    touch_queue(rows, contact)
    tell_update(rows, contact, "callback-withdrawn", at_ms=fact.at_ms)


def _merged(rows: Workset, fact: routing.ContactMerged, entry_id: str) -> None:
    """One call serves both: the contact is over, and the other one shows what was said in it."""
    contact = contact_of(rows, fact)
    contact.state = "merged"
    contact.merged_into = fact.into_contact_id
    contact.resolved_ms = fact.at_ms
    contact.called_back = contact.called_back or contact.answered_ms is None
    into = fact.into_contact_id
    note_down(rows, entry_id, contact.contact_id, "contact.merged", at_ms=fact.at_ms, contact=into)
    touch_queue(rows, contact)
    tell_update(rows, contact, "merged", at_ms=fact.at_ms)
    if rows.contacts.get(into) is None:
        return
    called = rows.contacts.change(into)
    called.due_ms = fact.due_ms
    note_down(rows, f"{entry_id}-into", into, "callback.joined", at_ms=fact.at_ms, contact=contact.contact_id)
    tell_update(rows, called, "callback-joined", at_ms=fact.at_ms)


def _wait(rows: Workset, contact: ContactRow, at_ms: int) -> None:
    """The contact is nobody's until the time of its call."""
    contact.state = "scheduled"
    contact.agent_id = None
    contact.assigned_ms = None
    end_consults(rows, contact, at_ms=at_ms)
    touch_queue(rows, contact)


CALLBACK_FOLDS: Final[dict[type, Callable[[Workset, Any, str], None]]] = {
    routing.CallbackScheduled: _scheduled,
    routing.CallbackDue: _due,
    routing.CallbackMissed: _missed,
    routing.CallbackWithdrawn: _withdrawn,
    routing.ContactMerged: _merged,
}
