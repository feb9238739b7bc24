"""Replies on a contact's own channel, and the files that messages carry."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import Response

from libs.common.blobs import BlobIdInvalidError
from libs.common.events.message import Attachment, Channel
from libs.common.events.outbound import ReplyRequested
from libs.common.http.problem import FieldError, ProblemError
from libs.common.ids import attachment_id as derive_attachment_id
from libs.common.ids import outbound_id
from libs.common.log import streams
from services.agent_api.access import AnyViewer, ServiceParts
from services.agent_api.commands import Append, IdempotencyKey, answer_of, carry_out
from services.agent_api.models import AttachmentRequest, Message, MessageRequest
from services.agent_api.parts import Parts
from services.agent_api.problems import COMMANDED, PROBLEMS
from services.agent_api.routes_contacts import visible_contact
from services.agent_api.store.lookups import look_up_last_inbound
from services.agent_api.store.queries import ContactAndCustomer, find_attachment
from services.agent_api.store.rows import AGENT_STATES, MessageRow
from services.agent_api.view_messages import SEND_MESSAGE

ATTACHMENTS_BYTES_MAX: Final = 10 * 1024 * 1024
# Some mail programs give up on longer lists; the first and the newest are what threads are found by (RFC 5322, section 3.6.4).
REFERENCES_MAX: Final = 50

router = APIRouter(prefix="/v1", tags=["messages"], responses=PROBLEMS)


@router.post(
    "/contacts/{contact_id}/messages",
    response_model=Message,
    status_code=201,
    responses=COMMANDED,
    summary="Reply on the contact's own channel",
)
async def send_message(
    parts: ServiceParts, viewer: AnyViewer, contact_id: str, body: MessageRequest, key: IdempotencyKey = None
) -> Response:
    """201 with the message, queued for sending; `message.sent` and `message.failed` on the stream say what became of it."""
    found = await visible_contact(parts, viewer, contact_id)
    contact = found[0]
    if not body.text.strip() and not body.attachments:
        raise ProblemError(
            422, "invalid", "Invalid request", errors=(FieldError("a text or an attachment", pointer="/text"),)
        )
    async with parts.looking_up() as session:
        last = await look_up_last_inbound(session, contact_id)
    attachments = await _keep_attachments(parts, body.attachments)

    def make(command_id: str, asked_ms: int) -> Append:
        # Checked here and not before, so that a retry gets its first answer although the contact was resolved meanwhile.
        if contact.state not in AGENT_STATES:
            raise ProblemError(409, "contact-not-active", "Contact not active", "No agent has this contact.")
        if not viewer.may_act_on(contact):
            raise ProblemError(409, "contact-not-yours", "Contact not yours", "Another agent has this contact.")
        event = compose_reply(found, last, viewer.id, body.text, attachments, command_id, asked_ms)
        return Append(stream=streams.OUTBOUND_MESSAGES, key=contact.thread_id, event=event, subject=contact_id)

    return answer_of(await carry_out(parts, viewer, key, SEND_MESSAGE, contact_id, body, make), 201)


def compose_reply(
    found: ContactAndCustomer,
    last: MessageRow | None,
    agent_id: str,
    text: str,
    attachments: tuple[Attachment, ...],
    command_id: str,
    asked_ms: int,
) -> ReplyRequested:
    """The reply as the senders need it. An e-mail becomes part of the thread of the customer's `last` message."""
    contact, customer = found
    mail = contact.channel == Channel.EMAIL
    reply_to = last.email_message_id if mail and last is not None else None
    references = tuple(dict.fromkeys((*(last.email_references if last is not None else ()), reply_to or "")))
    if len(references) > REFERENCES_MAX:
        references = (references[0], *references[-REFERENCES_MAX + 1 :])
    return ReplyRequested(
        message_id=outbound_id(command_id),
        contact_id=contact.contact_id,
        thread_id=contact.thread_id,
        pool=contact.pool,
        account=contact.account,
        channel=contact.channel,
        handle=contact.handle,
        agent_id=agent_id,
        requested_ms=asked_ms,
        text=text,
        name=None if customer is None else customer.name,
        # Who wrote by a form or through an integration is answered by mail too.
        subject=_reply_subject(contact.subject) if contact.handle.startswith("mailto:") else None,
        attachments=attachments,
        email_in_reply_to=reply_to,
        email_references=tuple(item for item in references if item) if mail else (),
        command_id=command_id,
    )


def _reply_subject(subject: str | None) -> str | None:
    if not subject or subject.lower().startswith("re:"):
        return subject
    return f"Re: {subject}"


async def _keep_attachments(parts: Parts, attachments: list[AttachmentRequest]) -> tuple[Attachment, ...]:
    """Put the bytes into the blob store, under ids that follow from them: a retry names the same ones."""
    contents: list[bytes] = []
    for index, item in enumerate(attachments):
        try:
            contents.append(base64.b64decode(item.content_base64, validate=True))
        except (binascii.Error, ValueError) as error:
            place = FieldError("not base64", pointer=f"/attachments/{index}/content_base64")
            raise ProblemError(422, "invalid", "Invalid request", errors=(place,)) from error
    if sum(map(len, contents)) > ATTACHMENTS_BYTES_MAX:
        raise ProblemError(413, "too-large", "Too large", f"At most {ATTACHMENTS_BYTES_MAX} bytes in all attachments.")
    kept = []
    for item, content in zip(attachments, contents, strict=True):
        # The type and not the name goes into the id: the store keeps it with the bytes.
        identity = derive_attachment_id("sha256", hashlib.sha256(content).hexdigest(), item.content_type)
        await parts.blobs.put(identity, content, item.content_type)
        kept.append(Attachment(id=identity, name=item.name, content_type=item.content_type, size_bytes=len(content)))
    return tuple(kept)


@router.get(
    "/attachments/{attachment_id}",
    summary="A file of a message",
    response_class=Response,
    responses={200: {"description": "The file.", "content": {"application/octet-stream": {}}}},
)
async def get_attachment(parts: ServiceParts, viewer: AnyViewer, attachment_id: str) -> Response:
    """The bytes, always as a download, for whoever may see a contact with it. 404 `attachment-not-here-yet` while they are fetched."""
    async with parts.reading() as connection:
        places = await find_attachment(connection, attachment_id)
    named: dict[str, Any] | None = next(
        (
            item
            for message, contact in places
            if viewer.sees(contact.pool)
            for item in message.attachments
            if item["id"] == attachment_id
        ),
        None,
    )
    unknown = ProblemError(404, "attachment-unknown", "Unknown attachment", "There is no such attachment for you.")
    if named is None:
        raise unknown
    try:
        blob = await parts.blobs.get(attachment_id)
    except BlobIdInvalidError as error:
        raise unknown from error
    if blob is None:
        raise ProblemError(
            404,
            "attachment-not-here-yet",
            "Attachment not here yet",
            "The file is still being fetched from the provider.",
            headers={"Retry-After": "5"},
        )
    return Response(
        blob.content,
        # The type is the sender's claim: nothing may be shown in the page's own origin because of it.
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(named['name'], safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, max-age=86400",
        },
    )
