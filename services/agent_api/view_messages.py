"""Folds what is said: customers' messages and notes from `routing.inputs`, replies from `outbound.messages`, what became of them from
`delivery.events`, and the mails of `followup.events`. No I/O. Called by `view`.

The streams have no common order. A message may be sent before its text was read here, and a provider may report on a message by
an id that we learn later; whatever comes first makes a row that the other completes.
"""

from __future__ import annotations

from typing import Final

import msgspec

from libs.common.events import followup, inputs, outbound, routing
from libs.common.events.message import Attachment, Message
from services.agent_api.presentation import message_body
from services.agent_api.store.rows import AttachmentRow, CommandRow, ContactRow, MessageRow, NoteRow, ReceiptRow
from services.agent_api.store.workset import Workset
from services.agent_api.view_customers import handles_in_order, join_card
from services.agent_api.view_frames import finish_command, note_down, preview_of, show_contact, tell, tell_update

# How far a message came. A later word replaces an earlier one; a failure is reported after the sending, a delivery disproves it.
STATUS_RANKS: Final = {"queued": 0, "sent": 1, "failed": 2, "delivered": 3, "read": 4}

TIME_MS_MAX: Final = 253_402_300_799_999

COMMAND_KINDS: Final[dict[type, str]] = {
    inputs.SetPresence: "set-presence",
    inputs.AcceptOffer: "accept-offer",
    inputs.RejectOffer: "reject-offer",
    inputs.ResolveContact: "resolve-contact",
    inputs.FinishWrapUp: "finish-wrap-up",
    inputs.ExtendWrapUp: "extend-wrap-up",
    inputs.TransferContact: "transfer-contact",
    inputs.HoldContact: "hold-contact",
    inputs.UnholdContact: "resume-contact",
    inputs.DrainQueue: "drain-queue",
    inputs.RequestCallback: "request-callback",
    inputs.ReportNotReached: "report-not-reached",
    inputs.PullContact: "pull-contact",
    inputs.StartConsult: "start-consult",
    inputs.EndConsult: "end-consult",
    inputs.AssignContact: "assign-contact",
    inputs.RequeueContact: "requeue-contact",
    inputs.ChangeContact: "change-contact",
    inputs.CancelContact: "cancel-contact",
    inputs.AddNote: "add-note",
}
LIFT_DRAIN: Final = "lift-drain"
SEND_MESSAGE: Final = "send-message"


def fold_input(rows: Workset, event: inputs.AnyInput, entry_id: str, at_ms: int) -> None:
    """Keep what an input says in words. What it causes is told by the facts."""
    if isinstance(event, inputs.ContactReceived):
        _keep_message(rows, event.message, entry_id)
    elif isinstance(event, inputs.Command):
        _keep_command(rows, event.command_id, event.agent_id, command_kind(event), at_ms)
        if isinstance(event, inputs.AddNote | inputs.TransferContact):
            _keep_note(rows, event, at_ms)


def command_kind(event: inputs.Command) -> str:
    """By which word a command is known to those who wait for it."""
    return LIFT_DRAIN if isinstance(event, inputs.DrainQueue) and event.lift else COMMAND_KINDS[type(event)]


def _keep_note(rows: Workset, event: inputs.AddNote | inputs.TransferContact, at_ms: int) -> None:
    if event.note_id is None or event.text is None or rows.notes.get(event.note_id) is not None:
        return
    rows.notes.put(
        NoteRow(
            note_id=event.note_id,
            contact_id=event.contact_id,
            agent_id=event.agent_id,
            text=event.text,
            at_ms=at_ms,
        )
    )


def fold_outbound(rows: Workset, event: outbound.AnyOutbound, entry_id: str) -> None:
    """A reply was asked for."""
    if event.command_id is not None:
        _keep_command(rows, event.command_id, event.agent_id, SEND_MESSAGE, event.requested_ms)
    known = rows.messages.get(event.message_id)
    if known is not None and known.content_known:
        return
    row = rows.messages.put(
        MessageRow(
            message_id=event.message_id,
            direction="out",
            at_ms=event.requested_ms,
            entry_id=entry_id,
            status="queued" if known is None else known.status,
            failure=None if known is None else known.failure,
            provider_id=None if known is None else known.provider_id,
            contact_id=event.contact_id,
            thread_id=event.thread_id,
            account=event.account,
            channel=event.channel,
            handle=event.handle,
            name=event.name,
            agent_id=event.agent_id or None,
            automatic=event.automatic,
            subject=event.subject,
            text=event.text,
            attachments=_attachments(rows, event.message_id, event.attachments),
            email_references=list(event.email_references),
            content_known=True,
        )
    )
    _match_receipt(rows, row)
    finish_command(rows, event.command_id, SEND_MESSAGE, message_body(row), at_ms=event.requested_ms)
    note_down(
        rows,
        entry_id,
        event.contact_id,
        "message.queued",
        at_ms=event.requested_ms,
        agent_id=event.agent_id or None,
        message_id=event.message_id,
        automatic=event.automatic or None,
    )
    contact = rows.contacts.get(event.contact_id)
    if contact is not None:
        tell_update(rows, contact, "reply", at_ms=event.requested_ms)


def fold_delivery(rows: Workset, event: outbound.AnyDelivery, entry_id: str) -> None:
    """The provider, or our own sender, said how far a message came."""
    if isinstance(event, outbound.AddressBounced):
        if event.permanent and event.handle and rows.handles.get(event.handle) is not None:
            rows.handles.change(event.handle).bounced = event.reason
        if event.message_id and rows.messages.get(event.message_id) is not None:
            _move_on(rows, event.message_id, "failed", event.reason, event.at_ms, entry_id)
        return
    if isinstance(event, outbound.TextsStopped | outbound.TextsResumed):
        return  # The message that says so is shown as what it is.
    status, failure = _status_of(event)
    provider_id = event.provider_id
    message_id = event.message_id
    if isinstance(event, outbound.MessageSent) or (isinstance(event, outbound.MessageFailed) and event.contact_id):
        _expect_message(rows, event, entry_id)
    if not message_id or rows.messages.get(message_id) is None:
        if isinstance(event, outbound.MessageSent) or event.account is None or provider_id is None:
            return
        found = rows.by_provider.get((event.account, provider_id))
        if found is None:
            _keep_receipt(rows, event.account, provider_id, status, failure, event.at_ms)
            return
        message_id = found
    if isinstance(event, outbound.MessageSent) and provider_id is not None:
        rows.messages.change(message_id).provider_id = provider_id
    _move_on(rows, message_id, status, failure, event.at_ms, entry_id)
    row = rows.messages.get(message_id)
    assert row is not None, "it was found above"
    _match_receipt(rows, row)


def fold_follow_up(rows: Workset, event: followup.AnyFollowUp, entry_id: str) -> None:
    """What became of an acknowledgement or of the mail that asks afterwards: a line in the contact's history."""
    words: dict[type, str] = {
        followup.FollowUpScheduled: "scheduled",
        followup.FollowUpSent: "sent",
        followup.FollowUpSuppressed: "suppressed",
        followup.FollowUpFailed: "failed",
    }
    note_down(
        rows,
        entry_id,
        event.contact_id,
        f"{event.kind}.{words[type(event)]}",
        at_ms=event.at_ms,
        reason=getattr(event, "reason", None),
    )


def attach(rows: Workset, message_id: str, contact_id: str) -> MessageRow | None:
    """The message, now part of this contact. None where its content was never read."""
    if rows.messages.get(message_id) is None:
        return None
    row = rows.messages.change(message_id)
    row.contact_id = contact_id
    return row


def join_message(
    rows: Workset, contact: ContactRow, fact: routing.MessageJoined | routing.ContactReturned, entry_id: str
) -> MessageRow:
    """The customer's further message, now part of this contact: it is shown first, and its handles belong to the customer's card."""
    message = attach(rows, fact.message_id, fact.contact_id)
    if message is None:
        return rows.messages.put(
            MessageRow(
                message_id=fact.message_id,
                direction="in",
                at_ms=fact.at_ms,
                entry_id=entry_id,
                status="received",
                contact_id=fact.contact_id,
                thread_id=contact.thread_id,
                account=contact.account,
                channel=contact.channel,
                handle=contact.handle,
                email_message_id=fact.email_message_id,
            )
        )
    contact.preview = preview_of(message)
    card = join_card(
        rows,
        handles_in_order(message.handle, message.handles),
        name=message.name,
        attributes=message.attributes,
        at_ms=message.at_ms,
    )
    if contact.customer_id is None and card is not None:
        contact.customer_id = card.customer_id
    return message


def _keep_message(rows: Workset, message: Message, entry_id: str) -> None:
    known = rows.messages.get(message.id)
    if known is not None and known.content_known:
        return  # The same message delivered again.
    rows.messages.put(
        MessageRow(
            message_id=message.id,
            direction="in",
            at_ms=_in_range(message.occurred_ms or message.received_ms),
            entry_id=entry_id,
            status="received",
            contact_id=None if known is None else known.contact_id,
            thread_id=message.thread_id,
            account=message.account,
            channel=message.channel,
            handle=message.handle,
            handles=list(message.handles),
            name=message.name,
            subject=message.subject,
            text=message.text,
            language=message.language,
            attributes=dict(message.attributes),
            attachments=_attachments(rows, message.id, message.attachments),
            automatic=message.automatic,
            email_message_id=message.email_message_id,
            email_references=list(message.email_references),
            content_known=True,
        )
    )


def _in_range(time_ms: int) -> int:
    """A provider may name any time; what a calendar and a database know ends with the year 9999."""
    return min(max(time_ms, 0), TIME_MS_MAX)


def _attachments(rows: Workset, message_id: str, attachments: tuple[Attachment, ...]) -> list[dict[str, object]]:
    rows.attachments.extend(AttachmentRow(attachment_id=item.id, message_id=message_id) for item in attachments)
    # Where the provider keeps the bytes is nobody's business but ingest's.
    return [
        {name: value for name, value in msgspec.structs.asdict(item).items() if name != "remote"}
        for item in attachments
    ]


def _keep_command(rows: Workset, command_id: str, agent_id: str, kind: str, at_ms: int) -> None:
    if rows.commands.get(command_id) is None:
        # The request wrote its row before the input; it is missing only where the view is built anew from the log.
        rows.commands.put(CommandRow(command_id=command_id, principal=f"agent:{agent_id}", kind=kind, asked_ms=at_ms))


def _status_of(
    event: outbound.MessageSent | outbound.MessageDelivered | outbound.MessageRead | outbound.MessageFailed,
) -> tuple[str, str | None]:
    if isinstance(event, outbound.MessageFailed):
        return "failed", event.reason
    if isinstance(event, outbound.MessageSent):
        return "sent", None
    return ("delivered" if isinstance(event, outbound.MessageDelivered) else "read"), None


def _expect_message(rows: Workset, event: outbound.MessageSent | outbound.MessageFailed, entry_id: str) -> None:
    """The row of a message whose text was not read yet."""
    if event.message_id and rows.messages.get(event.message_id) is None:
        rows.messages.put(
            MessageRow(
                message_id=event.message_id,
                direction="out",
                at_ms=event.at_ms,
                entry_id=entry_id,
                status="queued",
                contact_id=event.contact_id,
                thread_id=event.thread_id or "",
            )
        )


def _keep_receipt(rows: Workset, account: str, provider_id: str, status: str, failure: str | None, at_ms: int) -> None:
    known = rows.receipts.get((account, provider_id))
    if known is None or STATUS_RANKS[status] > STATUS_RANKS[known.status]:
        rows.receipts.put(
            ReceiptRow(account=account, provider_id=provider_id, status=status, failure=failure, at_ms=at_ms)
        )


def _match_receipt(rows: Workset, row: MessageRow) -> None:
    """Now that the provider's id of this message and its account are known: what was said about it before."""
    if not row.account or row.provider_id is None:
        return
    key = (row.account, row.provider_id)
    rows.by_provider[key] = row.message_id
    receipt = rows.receipts.get(key)
    if receipt is not None and key not in rows.used_receipts:
        rows.used_receipts.add(key)
        _move_on(rows, row.message_id, receipt.status, receipt.failure, receipt.at_ms, None)


def _move_on(
    rows: Workset, message_id: str, status: str, failure: str | None, at_ms: int, entry_id: str | None
) -> None:
    row = rows.messages.change(message_id)
    if row.direction != "out" or STATUS_RANKS[status] <= STATUS_RANKS[row.status]:
        return
    row.status = status
    row.failure = failure
    contact = None if row.contact_id is None else rows.contacts.get(row.contact_id)
    if row.contact_id is not None and entry_id is not None:
        note_down(
            rows, entry_id, row.contact_id, f"message.{status}", at_ms=at_ms, message_id=message_id, reason=failure
        )
    if contact is None:
        return
    body = {"contact": show_contact(rows, contact), "message": message_body(row)}
    tell(
        rows,
        "message.failed" if status == "failed" else "message.sent",
        body if failure is None else {**body, "reason": failure},
        pool=contact.pool,
        agent_id=contact.agent_id,
        at_ms=at_ms,
    )
