"""An agent's reply as mail in the customer's own mail thread, and its way to the mail server.

`build_reply` is pure. `MailSender` sends for every mail provider, and for accounts of other channels whose customer has a mail address.
"""

from __future__ import annotations

import html
from datetime import UTC, datetime
from email.errors import MessageError
from email.utils import format_datetime
from typing import Final

from libs.common.events.message import Attachment
from libs.common.events.outbound import ReplyRequested
from libs.common.mail_writer import MailFile, address_header, ids_header, text_header, write_mail
from libs.common.smtp import SmtpRefusedError
from services.ingest.channels.email_headers import parse_addresses, parse_message_id
from services.ingest.channels.handles import handle_address, mail_address
from services.ingest.channels.port import (
    AccountContext,
    Means,
    ProviderUnavailableError,
    SendOutcome,
    SendRefusedError,
)
from services.ingest.channels.text import clean_line

_REFERENCES_MAX: Final = 20
ReplyFile = tuple[Attachment, bytes]


class MailSender:
    """Sends replies through the mail server.

    Guarantee: at least once, with the same Message-ID at each attempt, which mail programs and Mailgun, Postmark and their like show
    once. A second mail can only come of an attempt whose answer was lost.
    """

    async def send(self, reply: ReplyRequested, account: AccountContext, means: Means) -> SendOutcome:
        """Send a reply as one mail. Raises SendRefusedError, or an OutageError of the mail server or the attachments' store."""
        if means.mail is None:
            raise ProviderUnavailableError("no mail server is configured")
        recipient = handle_address(reply.handle, "mailto")
        sender = parse_addresses(account.address)
        if recipient is None or mail_address(recipient) != recipient:
            raise SendRefusedError("The customer has no mail address.", permanent=True)
        if not sender:
            raise SendRefusedError("The account has no mail address to send from.", permanent=True)
        files = await read_files(reply, means)
        try:
            message = build_reply(reply, account, files)
        except (MessageError, ValueError, IndexError) as error:
            # The standard library's words for an address that no header can hold.
            raise SendRefusedError("The customer's mail address cannot be written to.", permanent=True) from error
        try:
            await means.mail.send(message, sender[0].address, (recipient,))
        except SmtpRefusedError as error:
            reason = clean_line(f"The mail server refused it: {error.code} {error.reason}", 300)
            raise SendRefusedError(reason, permanent=error.permanent) from error
        return SendOutcome(provider_ids=(reply_message_id(reply, sender[0].address.partition("@")[2]),))


async def read_files(reply: ReplyRequested, means: Means) -> list[ReplyFile]:
    """The reply's attachments with their bytes. Raises SendRefusedError where one is not there (yet), OutageError."""
    files = []
    for attachment in reply.attachments:
        blob = None if means.blobs is None else await means.blobs.get(attachment.id)
        if blob is None:
            raise SendRefusedError(f"The file {attachment.name} is not there.", permanent=False)
        files.append((attachment, blob.content))
    return files


def reply_message_id(reply: ReplyRequested, domain: str) -> str:
    """The Message-ID of a reply's mail: the same at every attempt."""
    return f"<{reply.message_id}@{domain}>"


def build_reply(reply: ReplyRequested, account: AccountContext, files: list[ReplyFile]) -> bytes:
    """The mail as it goes over the wire. The same reply gives the same headers at every attempt.

    What a person wrote has no Auto-Submitted header. `account.address` and the reply's handle are mail addresses. Raises ValueError,
    IndexError or MessageError for an address that no header can hold.
    """
    (sender, *_) = parse_addresses(account.address)
    recipient = handle_address(reply.handle, "mailto") or ""
    headers = [
        ("From", address_header(clean_line(account.from_name or sender.name or "", 200), sender.address)),
        ("To", address_header(clean_line(reply.name or "", 200), recipient)),
        ("Subject", text_header(_subject(reply.subject))),
        ("Date", format_datetime(datetime.fromtimestamp(reply.requested_ms // 1000, UTC))),
        ("Message-ID", reply_message_id(reply, sender.address.partition("@")[2])),
    ]
    if reply.automatic:
        headers += [("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All")]
    answered = parse_message_id(reply.email_in_reply_to)
    references = [found for text in reply.email_references if (found := parse_message_id(text)) is not None]
    if answered is not None:
        headers.append(("In-Reply-To", ids_header([answered])))
        references = [*(one for one in references if one != answered), answered]
    if len(references) > _REFERENCES_MAX:
        references = [references[0], *references[1 - _REFERENCES_MAX :]]
    if references:
        headers.append(("References", ids_header(references)))
    return write_mail(
        [(name, value) for name, value in headers if value],
        reply.text,
        _html(reply.text),
        boundary=reply.message_id,
        files=[
            MailFile(
                name=clean_line(attachment.name, 200) or "attachment",
                content_type=attachment.content_type,
                content=content,
            )
            for attachment, content in files
        ],
    )


def _subject(subject: str | None) -> str:
    text = clean_line(subject or "", 500)
    if text.lower().startswith(("re:", "r:", "aw:", "sv:")):
        return text
    return f"Re: {text}".strip()


def _html(text: str) -> str:
    paragraphs = [html.escape(part).replace("\n", "<br>\n") for part in text.strip().split("\n\n")]
    body = "\n".join(f"<p>{part}</p>" for part in paragraphs)
    return f'<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"></head>\n<body>\n{body}\n</body>\n</html>\n'
