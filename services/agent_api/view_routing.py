"""Folds the router's facts into contacts, offers, agents and queues. No I/O. Called by `view`.

A fact is never doubted: it happened. It may name a thing that this view never heard of (its record was unreadable, or older than
what the log still holds): then as much is shown as is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from libs.common.events import routing
from services.agent_api.presentation import message_body, note_body, offer_body
from services.agent_api.store.rows import ContactRow, MessageRow, OfferRow
from services.agent_api.store.workset import Workset
from services.agent_api.view_agents import change_presence, configure_pool, drain_queue, lift_drain
from services.agent_api.view_callbacks import CALLBACK_FOLDS
from services.agent_api.view_customers import handles_in_order, join_card
from services.agent_api.view_frames import (
    contact_of,
    count,
    end_consults,
    finish_command,
    note_down,
    preview_of,
    refuse_command,
    show_contact,
    tell,
    tell_update,
    touch_queue,
)
from services.agent_api.view_messages import attach, join_message
from services.agent_api.view_pools import is_elsewhere, is_late, note_late, queue_elsewhere
from services.agent_api.view_waits import WAIT_FOLDS
from services.agent_api.view_work import WORK_FOLDS


def fold_fact(rows: Workset, fact: routing.PoolFact, entry_id: str) -> None:
    """Apply one fact; those that show nowhere are passed over. `entry_id` is its place on the log."""
    fold = _FOLDS.get(type(fact))
    if fold is None:
        return
    if is_late(rows, fact):
        note_late(rows, fact, entry_id)
    else:
        fold(rows, fact, entry_id)


def _unread(rows: Workset, fact: routing.ContactQueued, entry_id: str) -> MessageRow:
    """The message of a contact, whose content was not read yet; kept where its id is known."""
    message = MessageRow(
        message_id=fact.message_id,
        direction="in",
        at_ms=fact.received_ms,
        entry_id=entry_id,
        status="received",
        contact_id=fact.contact_id,
        thread_id=fact.thread_id,
        account=fact.account,
        channel=fact.channel,
        handle=fact.handle,
        name=fact.name,
        subject=fact.subject,
        email_message_id=fact.email_message_id,
        email_references=list(fact.email_references),
        automatic=fact.automatic,
    )
    return rows.messages.put(message) if fact.message_id else message


def _contact_queued(rows: Workset, fact: routing.ContactQueued, entry_id: str) -> None:
    if is_elsewhere(rows, fact):
        queue_elsewhere(rows, fact, entry_id)
        return
    message = attach(rows, fact.message_id, fact.contact_id) or _unread(rows, fact, entry_id)
    handles = handles_in_order(fact.handle, (*fact.handles, *message.handles))
    card = join_card(
        rows, handles, name=fact.name or message.name, attributes=message.attributes, at_ms=fact.received_ms
    )
    contact = rows.contacts.put(
        ContactRow(
            contact_id=fact.contact_id,
            pool=fact.pool,
            queue=fact.queue,
            channel=fact.channel,
            account=fact.account,
            thread_id=fact.thread_id,
            handle=fact.handle,
            customer_id=None if card is None else card.customer_id,
            priority=fact.priority,
            skills=dict(fact.skills),
            alternatives=list(fact.alternatives) or None,
            subject=fact.subject,
            preview=preview_of(message),
            language=fact.language,
            received_ms=fact.received_ms,
            due_ms=fact.due_ms,
            queued_ms=fact.at_ms,
        )
    )
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.queued",
        at_ms=fact.at_ms,
        queue=fact.queue,
        queue_asked=fact.queue_asked,
        message_id=fact.message_id,
    )
    count(rows, contact, "received", at_ms=fact.at_ms)
    touch_queue(rows, contact)
    tell_update(rows, contact, "queued", at_ms=fact.at_ms)


def _message_joined(rows: Workset, fact: routing.MessageJoined, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    message = join_message(rows, contact, fact, entry_id)
    note_down(rows, entry_id, contact.contact_id, "message.received", at_ms=fact.at_ms, message_id=fact.message_id)
    tell(
        rows,
        "message.received",
        {"contact": show_contact(rows, contact), "message": message_body(message)},
        pool=contact.pool,
        agent_id=contact.agent_id or contact.offered_to,
        at_ms=fact.at_ms,
    )


def _offer_made(rows: Workset, fact: routing.OfferMade, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.state = "offered"
    contact.offer_id = fact.offer_id
    contact.offered_to = fact.agent_id
    contact.agent_id = None
    offer = rows.offers.put(
        OfferRow(
            offer_id=fact.offer_id,
            contact_id=fact.contact_id,
            agent_id=fact.agent_id,
            pool=fact.pool,
            state="open",
            made_ms=fact.at_ms,
            expires_ms=fact.expires_ms,
            reason=msgspec.to_builtins(fact.reason),
        )
    )
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "offer.made",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        offer_id=fact.offer_id,
        reason=offer.reason,
    )
    touch_queue(rows, contact)
    body = {"offer": offer_body(offer, show_contact(rows, contact))}
    tell(rows, "offer.made", body, pool=fact.pool, agent_id=fact.agent_id, at_ms=fact.at_ms)


def _take_back(
    rows: Workset,
    fact: routing.OfferRejected | routing.OfferExpired | routing.OfferWithdrawn,
    entry_id: str,
    state: str,
) -> ContactRow:
    """The offer is over without an assignment: the contact waits again."""
    if rows.offers.get(fact.offer_id) is not None:
        offer = rows.offers.change(fact.offer_id)
        offer.state = state
        offer.closed_ms = fact.at_ms
    contact = contact_of(rows, fact)
    contact.state = "queued"
    contact.offer_id = None
    contact.offered_to = None
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        f"offer.{state}",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        offer_id=fact.offer_id,
        reason=getattr(fact, "reason", None),
        cause=getattr(fact, "cause", None),
    )
    touch_queue(rows, contact)
    return contact


def _offer_rejected(rows: Workset, fact: routing.OfferRejected, entry_id: str) -> None:
    contact = _take_back(rows, fact, entry_id, "rejected")
    finish_command(rows, fact.command_id, "reject-offer", show_contact(rows, contact), at_ms=fact.at_ms)
    tell_update(rows, contact, "offer-rejected", at_ms=fact.at_ms, agent_id=fact.agent_id)


def _offer_expired(rows: Workset, fact: routing.OfferExpired, entry_id: str) -> None:
    _take_back(rows, fact, entry_id, "expired")
    body = {"offer": {"id": fact.offer_id, "contact_id": fact.contact_id}}
    tell(rows, "offer.expired", body, pool=fact.pool, agent_id=fact.agent_id, at_ms=fact.at_ms)


def _offer_withdrawn(rows: Workset, fact: routing.OfferWithdrawn, entry_id: str) -> None:
    _take_back(rows, fact, entry_id, "withdrawn")
    body = {"offer": {"id": fact.offer_id, "contact_id": fact.contact_id, "cause": fact.cause}}
    tell(rows, "offer.withdrawn", body, pool=fact.pool, agent_id=fact.agent_id, at_ms=fact.at_ms)


def _contact_flagged(rows: Workset, fact: routing.ContactFlagged, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.flag = {"reason": fact.reason, "agents": fact.agents}
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.flagged",
        at_ms=fact.at_ms,
        reason=fact.reason,
        agents=fact.agents,
    )
    tell_update(rows, contact, "flagged", at_ms=fact.at_ms)


def _contact_assigned(rows: Workset, fact: routing.ContactAssigned, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    if fact.offer_id is not None and rows.offers.get(fact.offer_id) is not None:
        offer = rows.offers.change(fact.offer_id)
        offer.state = "accepted"
        offer.closed_ms = fact.at_ms
    contact.state = "active"
    contact.agent_id = fact.agent_id
    contact.offer_id = None
    contact.offered_to = None
    contact.assigned_ms = fact.at_ms
    if contact.answered_ms is None:
        contact.answered_ms = fact.at_ms
        contact.answered_by = fact.agent_id
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.assigned",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        offer_id=fact.offer_id,
        by=fact.by,
        over_capacity=fact.over_capacity or None,
    )
    count(rows, contact, "assigned", at_ms=fact.at_ms)
    touch_queue(rows, contact)
    shown = show_contact(rows, contact)
    for kind in ("accept-offer", "pull-contact"):
        finish_command(rows, fact.command_id, kind, shown, at_ms=fact.at_ms)
    warnings = ["over-capacity"] if fact.over_capacity else []
    finish_command(rows, fact.command_id, "assign-contact", {**shown, "warnings": warnings}, at_ms=fact.at_ms)
    body = {"contact": shown, "offer_id": fact.offer_id}
    tell(rows, "contact.assigned", body, pool=fact.pool, agent_id=fact.agent_id, at_ms=fact.at_ms)


def _contact_requeued(rows: Workset, fact: routing.ContactRequeued, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.state = "queued"
    contact.agent_id = None
    contact.assigned_ms = None
    contact.wrap_up_until_ms = None
    contact.queued_ms = fact.at_ms
    end_consults(rows, contact, at_ms=fact.at_ms)
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.requeued",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        cause=fact.cause,
        by=fact.by,
    )
    touch_queue(rows, contact)
    finish_command(rows, fact.command_id, "requeue-contact", show_contact(rows, contact), at_ms=fact.at_ms)
    tell_update(rows, contact, "requeued", at_ms=fact.at_ms, agent_id=fact.agent_id)


def _wrap_up_started(rows: Workset, fact: routing.WrapUpStarted, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.state = "wrap_up"
    contact.agent_id = fact.agent_id
    contact.wrap_up_until_ms = fact.until_ms or None
    contact.disposition = fact.disposition
    contact.summary = fact.summary
    end_consults(rows, contact, at_ms=fact.at_ms)
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.wrap-up-started",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        disposition=fact.disposition,
    )
    touch_queue(rows, contact)
    finish_command(rows, fact.command_id, "resolve-contact", show_contact(rows, contact), at_ms=fact.at_ms)
    tell_update(rows, contact, "wrap-up", at_ms=fact.at_ms)


def _contact_resolved(rows: Workset, fact: routing.ContactResolved, entry_id: str) -> None:
    contact = contact_of(rows, fact)
    contact.state = "resolved"
    contact.agent_id = fact.agent_id
    contact.queue = contact.queue or fact.queue
    contact.channel = contact.channel or fact.channel
    contact.wrap_up_until_ms = None
    contact.resolved_ms = fact.at_ms
    end_consults(rows, contact, at_ms=fact.at_ms)
    contact.disposition = fact.disposition or contact.disposition
    contact.summary = fact.summary or contact.summary
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.resolved",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        by=fact.by,
        disposition=contact.disposition,
    )
    count(rows, contact, "resolved", at_ms=fact.at_ms)
    touch_queue(rows, contact)
    shown = show_contact(rows, contact)
    for kind in ("resolve-contact", "finish-wrap-up"):
        finish_command(rows, fact.command_id, kind, shown, at_ms=fact.at_ms)
    tell(rows, "contact.resolved", {"contact": shown}, pool=fact.pool, agent_id=fact.agent_id, at_ms=fact.at_ms)


def _note_added(rows: Workset, fact: routing.NoteAdded, entry_id: str) -> None:
    text = None
    if rows.notes.get(fact.note_id) is not None:
        note = rows.notes.change(fact.note_id)
        note.added = True
        text = note.text
        finish_command(rows, fact.command_id, "add-note", note_body(note), at_ms=fact.at_ms)
    contact = contact_of(rows, fact)
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "note.added",
        at_ms=fact.at_ms,
        agent_id=fact.agent_id,
        note_id=fact.note_id,
        text=text,
    )
    tell_update(rows, contact, "note", at_ms=fact.at_ms)


def _input_refused(rows: Workset, fact: routing.InputRefused, _entry_id: str) -> None:
    refuse_command(rows, fact.command_id, fact.reason, fact.detail, at_ms=fact.at_ms)


_FOLDS: Final[dict[type, Callable[[Workset, Any, str], None]]] = {
    routing.PoolConfigured: configure_pool,
    routing.ContactQueued: _contact_queued,
    routing.MessageJoined: _message_joined,
    routing.OfferMade: _offer_made,
    routing.OfferRejected: _offer_rejected,
    routing.OfferExpired: _offer_expired,
    routing.OfferWithdrawn: _offer_withdrawn,
    routing.ContactFlagged: _contact_flagged,
    routing.ContactAssigned: _contact_assigned,
    routing.ContactRequeued: _contact_requeued,
    **WORK_FOLDS,
    **WAIT_FOLDS,
    **CALLBACK_FOLDS,
    routing.WrapUpStarted: _wrap_up_started,
    routing.ContactResolved: _contact_resolved,
    routing.PresenceChanged: change_presence,
    routing.QueueDrained: drain_queue,
    routing.DrainLifted: lift_drain,
    routing.NoteAdded: _note_added,
    routing.InputRefused: _input_refused,
}
