"""Folds what agents and supervisors do with contacts besides answering and resolving them. No I/O. Called by `view_routing`.

As there: a fact is never doubted, and of a contact that this view never heard of as much is shown as the fact tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from libs.common.events import routing
from services.agent_api.store.rows import ContactRow
from services.agent_api.store.workset import Workset
from services.agent_api.view_frames import (
    contact_of,
    count,
    end_consults,
    finish_command,
    note_down,
    show_contact,
    tell_update,
    touch_queue,
)
from services.agent_api.view_messages import join_message


def _relaxed(rows: Workset, fact: routing.ContactRelaxed, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.skills = dict(fact.skills)
    contact.alternatives = list(fact.alternatives) or None
    note_down(rows, entry_id, contact.contact_id, "contact.relaxed", at_ms=fact.at_ms, step=fact.step)
    tell_update(rows, contact, "relaxed", at_ms=fact.at_ms)


def _moved(rows: Workset, fact: routing.ContactMoved, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    touch_queue(rows, contact)
    before, contact.queue = contact.queue, fact.queue
    contact.skills = dict(fact.skills)
    contact.alternatives = list(fact.alternatives) or None
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.moved",
        at_ms=fact.at_ms,
        cause=fact.cause,
        from_queue=before or None,
        queue=fact.queue,
        **condition(fact),
    )
    touch_queue(rows, contact)
    tell_update(rows, contact, "moved", at_ms=fact.at_ms)


def _forwarded(rows: Workset, fact: routing.ContactForwarded, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    touch_queue(rows, contact)
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.forwarded",
        at_ms=fact.at_ms,
        from_queue=contact.queue or None,
        pool=fact.to_pool,
        **condition(fact),
    )
    # Whoever sees this pool is told that it is gone; the other pool tells of it when it has it.
    tell_update(rows, contact, "forwarded", at_ms=fact.at_ms)
    contact.pool = fact.to_pool
    contact.queue = ""


def _notified(rows: Workset, fact: routing.CustomerNotice, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "customer.notified",
        at_ms=fact.at_ms,
        cause=fact.cause,
        texts=dict(fact.texts),
        **condition(fact),
    )
    tell_update(rows, contact, "notified", at_ms=fact.at_ms)


def _transferred(rows: Workset, fact: routing.ContactTransferred, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    touch_queue(rows, contact)
    contact.state = "queued"
    contact.queue = fact.queue
    contact.skills = dict(fact.skills)
    contact.alternatives = list(fact.alternatives) or None
    contact.transfers = fact.transfers
    contact.agent_id = None
    contact.assigned_ms = None
    contact.queued_ms = fact.at_ms
    end_consults(rows, contact, at_ms=fact.at_ms)
    text = None
    if fact.note_id is not None and rows.notes.get(fact.note_id) is not None:
        note = rows.notes.change(fact.note_id)
        note.added = True
        text = note.text
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.transferred",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        by=fact.by,
        queue=fact.queue,
        skills=dict(fact.skills),
        to=fact.target_agent_id,
        lacks=dict(fact.missing) or None,
        note_id=fact.note_id,
        text=text,
    )
    touch_queue(rows, contact)
    shown = {**show_contact(rows, contact), "warnings": ["skills-missing"] if fact.missing else []}
    finish_command(rows, fact.command_id, "transfer-contact", shown, at_ms=fact.at_ms)
    # Who had it is told that it is gone; supervisors hear everything.
    tell_update(rows, contact, "transferred", at_ms=fact.at_ms, agent_id=fact.agent_id)


def _held(rows: Workset, fact: routing.ContactHeld, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.state = "held"
    contact.agent_id = fact.agent_id
    note_down(rows, entry_id, contact.contact_id, "contact.held", at_ms=fact.at_ms, agent_id=fact.agent_id)
    touch_queue(rows, contact)
    finish_command(rows, fact.command_id, "hold-contact", show_contact(rows, contact), at_ms=fact.at_ms)
    tell_update(rows, contact, "held", at_ms=fact.at_ms)


def _unheld(rows: Workset, fact: routing.ContactUnheld, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.state = "active"
    contact.agent_id = fact.agent_id
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.resumed",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        cause=fact.cause,
    )
    touch_queue(rows, contact)
    finish_command(rows, fact.command_id, "resume-contact", show_contact(rows, contact), at_ms=fact.at_ms)
    tell_update(rows, contact, "resumed", at_ms=fact.at_ms)


def _changed(rows: Workset, fact: routing.ContactChanged, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    touch_queue(rows, contact)
    contact.queue = fact.queue
    contact.skills = dict(fact.skills)
    contact.alternatives = list(fact.alternatives) or None
    contact.priority = fact.priority
    contact.due_ms = fact.due_ms
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.changed",
        at_ms=fact.at_ms,
        agent_id=contact.agent_id,
        by=fact.by,
        queue=fact.queue,
        skills=dict(fact.skills),
        priority=fact.priority,
    )
    touch_queue(rows, contact)
    finish_command(rows, fact.command_id, "change-contact", show_contact(rows, contact), at_ms=fact.at_ms)
    tell_update(rows, contact, "changed", at_ms=fact.at_ms)


def _cancelled(rows: Workset, fact: routing.ContactCancelled, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.state = "cancelled"
    contact.agent_id = fact.agent_id
    end_consults(rows, contact, at_ms=fact.at_ms)
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.cancelled",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        by=fact.by,
        reason=fact.reason,
    )
    count(rows, contact, "cancelled", at_ms=fact.at_ms)
    touch_queue(rows, contact)
    finish_command(rows, fact.command_id, "cancel-contact", show_contact(rows, contact), at_ms=fact.at_ms)
    finish_command(rows, fact.command_id, "report-not-reached", show_contact(rows, contact), at_ms=fact.at_ms)
    tell_update(rows, contact, "cancelled", at_ms=fact.at_ms)


def _consult_started(rows: Workset, fact: routing.ConsultStarted, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.consults = [*(contact.consults or []), fact.target_agent_id]
    _consulted(rows, contact, fact, entry_id, "consult-started", "start-consult")


def _consult_ended(rows: Workset, fact: routing.ConsultEnded, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    left = [agent_id for agent_id in contact.consults or [] if agent_id != fact.target_agent_id]
    contact.consults = left or None
    _consulted(rows, contact, fact, entry_id, "consult-ended", "end-consult")


def _consulted(
    rows: Workset,
    contact: ContactRow,
    fact: routing.ConsultStarted | routing.ConsultEnded,
    entry_id: str,
    change: str,
    kind: str,
) -> None:
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        f"contact.{change}",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        consulted=fact.target_agent_id,
    )
    finish_command(rows, fact.command_id, kind, show_contact(rows, contact), at_ms=fact.at_ms)
    # Whoever was asked, and the contact's own agent.
    tell_update(rows, contact, change, at_ms=fact.at_ms, agent_id=fact.target_agent_id)
    tell_update(rows, contact, change, at_ms=fact.at_ms)


def _abandoned(rows: Workset, fact: routing.ContactAbandoned, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.state = "abandoned"
    contact.resumable_until_ms = fact.resumable_until_ms
    note_down(rows, entry_id, contact.contact_id, "contact.abandoned", at_ms=fact.at_ms, waited_ms=fact.waited_ms)
    count(rows, contact, "abandoned", at_ms=fact.at_ms)
    touch_queue(rows, contact)
    tell_update(rows, contact, "abandoned", at_ms=fact.at_ms)


def _returned(rows: Workset, fact: routing.ContactReturned, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.state = "queued"
    contact.resumable_until_ms = None
    contact.queued_ms = fact.at_ms
    join_message(rows, contact, fact, entry_id)
    note_down(rows, entry_id, contact.contact_id, "contact.returned", at_ms=fact.at_ms, message_id=fact.message_id)
    touch_queue(rows, contact)
    tell_update(rows, contact, "returned", at_ms=fact.at_ms)


def _lapsed(rows: Workset, fact: routing.ContactLapsed, _entry_id: str) -> None:
    """It is shown as abandoned already, and stays so; its customer does not find it again."""
    if rows.contacts.get(fact.contact_id) is None:
        return
    contact = contact_of(rows, fact)
    contact.resumable_until_ms = None
    tell_update(rows, contact, "lapsed", at_ms=fact.at_ms)


def _wrap_up_extended(rows: Workset, fact: routing.WrapUpExtended, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.wrap_up_until_ms = fact.until_ms
    note_down(rows, entry_id, contact.contact_id, "contact.wrap-up-extended", at_ms=fact.at_ms, agent_id=fact.agent_id)
    finish_command(rows, fact.command_id, "extend-wrap-up", show_contact(rows, contact), at_ms=fact.at_ms)
    tell_update(rows, contact, "wrap-up", at_ms=fact.at_ms)


def condition(fact: routing.ContactForwarded | routing.ContactMoved | routing.CustomerNotice) -> dict[str, Any]:
    """The condition of overflow that a fact comes from, as an entry of the history shows it."""
    return {"when": fact.when, "at_least": fact.at_least or None}


WORK_FOLDS: Final[dict[type, Callable[[Workset, Any, str], None]]] = {
    routing.ContactRelaxed: _relaxed,
    routing.ContactMoved: _moved,
    routing.ContactForwarded: _forwarded,
    routing.CustomerNotice: _notified,
    routing.ContactTransferred: _transferred,
    routing.ContactHeld: _held,
    routing.ContactUnheld: _unheld,
    routing.ContactChanged: _changed,
    routing.ContactCancelled: _cancelled,
    routing.ConsultStarted: _consult_started,
    routing.ConsultEnded: _consult_ended,
    routing.ContactAbandoned: _abandoned,
    routing.ContactReturned: _returned,
    routing.ContactLapsed: _lapsed,
    routing.WrapUpExtended: _wrap_up_extended,
}
