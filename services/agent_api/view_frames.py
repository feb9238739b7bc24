"""What the folding code says to people: frames for the stream, entries for the contact's history, outcomes for commands.

Frames get their numbers here, from the view's locked row. No I/O. Called by the other parts of the view.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from libs.common.clock import rfc3339
from services.agent_api.presentation import contact_body
from services.agent_api.store.rows import CommandRow, ContactRow, FrameRow, MessageRow, TimelineRow
from services.agent_api.store.workset import MINUTE_MS, Workset

FRAME_TYPES: Final = (
    "hello",
    "offer.made",
    "offer.expired",
    "offer.withdrawn",
    "contact.assigned",
    "contact.updated",
    "contact.resolved",
    "message.received",
    "message.sent",
    "message.failed",
    "presence.changed",
    "queue.changed",
    "ping",
)


# Every kind of entry that this view writes into a contact's history. The console has words for each of them, in every language.
TIMELINE_TYPES: Final = (
    "contact.queued",
    "contact.requeued",
    "contact.relaxed",
    "contact.wait-expected",
    "contact.moved",
    "callback.scheduled",
    "callback.due",
    "callback.missed",
    "callback.withdrawn",
    "callback.joined",
    "contact.merged",
    "contact.forwarded",
    "customer.notified",
    "contact.flagged",
    "contact.assigned",
    "contact.transferred",
    "contact.held",
    "contact.resumed",
    "contact.changed",
    "contact.consult-started",
    "contact.consult-ended",
    "contact.abandoned",
    "contact.returned",
    "contact.cancelled",
    "contact.wrap-up-started",
    "contact.wrap-up-extended",
    "contact.resolved",
    "offer.made",
    "offer.rejected",
    "offer.expired",
    "offer.withdrawn",
    "note.added",
    "message.received",
    "message.queued",
    "message.sent",
    "message.delivered",
    "message.read",
    "message.failed",
    "acknowledgement.scheduled",
    "acknowledgement.sent",
    "acknowledgement.suppressed",
    "acknowledgement.failed",
    "follow-up.scheduled",
    "follow-up.sent",
    "follow-up.suppressed",
    "follow-up.failed",
)

PREVIEW_CHARS: Final = 140


def cursor_of(epoch: str, seq: int) -> str:
    """The cursor of a frame: which database's frames, and how far."""
    return f"{epoch}-{seq}"


def frame_text(frame_type: str, cursor: str, at_ms: int, body: dict[str, Any]) -> str:
    """The frame as it goes out."""
    return msgspec.json.encode({"type": frame_type, "cursor": cursor, "at": rfc3339(at_ms), **body}).decode()


def tell(rows: Workset, frame_type: str, body: dict[str, Any], *, pool: str, agent_id: str | None, at_ms: int) -> None:
    """Add a frame for the agent (where there is one) and the supervisors of the pool."""
    assert frame_type in FRAME_TYPES, "every frame's type is described to those who read the stream"
    rows.frame_seq += 1
    rows.frames.append(
        FrameRow(
            seq=rows.frame_seq,
            pool=pool,
            agent_id=agent_id,
            type=frame_type,
            at_ms=at_ms,
            body=frame_text(frame_type, cursor_of(rows.epoch, rows.frame_seq), at_ms, body),
        )
    )


def contact_of(rows: Workset, fact: Any) -> ContactRow:
    """The contact of a fact, about to be changed: the one that is known, or as much of it as the fact tells."""
    if rows.contacts.get(fact.contact_id) is None:
        return rows.contacts.put(
            ContactRow(
                contact_id=fact.contact_id,
                pool=fact.pool,
                received_ms=fact.at_ms,
                due_ms=fact.at_ms,
                queued_ms=fact.at_ms,
            )
        )
    return rows.contacts.change(fact.contact_id)


def show_contact(rows: Workset, contact: ContactRow) -> dict[str, Any]:
    """The contact as the contract shows it."""
    customer = None if contact.customer_id is None else rows.customers.get(contact.customer_id)
    return contact_body(contact, customer)


def tell_update(rows: Workset, contact: ContactRow, change: str, *, at_ms: int, agent_id: str | None = None) -> None:
    """`contact.updated`, to the contact's agent unless another one is concerned."""
    concerned = agent_id or contact.agent_id or contact.offered_to
    body = {"contact": show_contact(rows, contact), "change": change}
    tell(rows, "contact.updated", body, pool=contact.pool, agent_id=concerned, at_ms=at_ms)


def preview_of(message: MessageRow) -> str:
    """The beginning of a message's text on one line."""
    text = " ".join(message.text.split())
    return text if len(text) <= PREVIEW_CHARS else text[: PREVIEW_CHARS - 1] + "…"


def end_consults(rows: Workset, contact: ContactRow, *, at_ms: int) -> None:
    """Nobody looks at the contact any more; those who did are told."""
    consulted, contact.consults = contact.consults or [], None
    for agent_id in consulted:
        tell_update(rows, contact, "consult-ended", at_ms=at_ms, agent_id=agent_id)


def note_down(
    rows: Workset,
    entry_id: str,
    contact_id: str,
    entry_type: str,
    *,
    at_ms: int,
    agent_id: str | None = None,
    **body: Any,
) -> None:
    """Add an entry to the contact's history; parts of `body` that are None are left out."""
    shown = {name: value for name, value in body.items() if value is not None}
    rows.timeline.append(
        TimelineRow(
            entry_id=entry_id, contact_id=contact_id, at_ms=at_ms, type=entry_type, agent_id=agent_id, body=shown
        )
    )


def count(rows: Workset, contact: ContactRow, counter: str, *, at_ms: int) -> None:
    """Count what happened to the contact, in its minute."""
    key = (at_ms - at_ms % MINUTE_MS, contact.pool, contact.queue, contact.channel)
    rows.throughput[key][counter] += 1


def touch_queue(rows: Workset, contact: ContactRow) -> None:
    """Supervisors are told about this contact's queue, with its newest numbers, when the batch is folded."""
    if contact.queue:
        rows.touched_queues.add((contact.pool, contact.queue))


def finish_command(rows: Workset, command_id: str | None, kind: str, answer: dict[str, Any], *, at_ms: int) -> None:
    """The command, if it is of this kind and not decided yet, is done. Facts that a command causes on the way are of other kinds."""
    row = _pending(rows, command_id)
    if row is not None and row.kind == kind:
        row.state = "done"
        row.answer = answer
        row.decided_ms = at_ms


def refuse_command(rows: Workset, command_id: str | None, reason: str, detail: str, *, at_ms: int) -> None:
    """The command, if it is not decided yet, is refused."""
    row = _pending(rows, command_id)
    if row is not None:
        row.state = "refused"
        row.reason = reason
        row.detail = detail
        row.decided_ms = at_ms


def _pending(rows: Workset, command_id: str | None) -> CommandRow | None:
    if command_id is None:
        return None
    row = rows.commands.get(command_id)
    if row is None or row.state != "pending":
        return None
    return rows.commands.change(command_id)
