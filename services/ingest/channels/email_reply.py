"""An agent's reply as mail in the customer's own mail thread, and its way to the mail server.

`build_reply` is pure. `MailSender` sends for every mail provider, and for accounts of other channels whose customer has a mail address.
"""

from __future__ import annotations

import html
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from libs.common.events.message import Attachment
from libs.common.events.outbound import ReplyRequested
from libs.common.mail_headers import MessageIds
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
        return SendOutcome(provider_ids=(str(message["Message-ID"]),))


async def read_files(reply: ReplyRequested, means: Means) -> list[ReplyFile]:
    """The reply's attachments with their bytes. Raises SendRefusedError where one is not there (yet), OutageError."""
    files = []
    for attachment in reply.attachments:
        blob = None if means.blobs is None else await means.blobs.get(attachment.id)
        if blob is None:
            raise SendRefusedError(f"The file {attachment.name} is not there.", permanent=False)
        files.append((attachment, blob.content))
    return files


def build_reply(reply: ReplyRequested, account: AccountContext, files: list[ReplyFile]) -> EmailMessage:
    """The mail. The same reply gives the same headers at every attempt.

    There is no Auto-Submitted header: a person wrote it. `account.address` and the reply's handle are mail addresses.
    """
    (sender, *_) = parse_addresses(account.address)
    recipient = handle_address(reply.handle, "mailto") or ""
    domain = sender.address.partition("@")[2]
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(account.from_name or sender.name, sender.address)
    message["To"] = _address(reply.name, recipient)
    message["Subject"] = _subject(reply.subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(reply.requested_ms // 1000, UTC))
    message["Message-ID"] = f"<{reply.message_id}@{domain}>"
    answered = parse_message_id(reply.email_in_reply_to)
    references = [found for text in reply.email_references if (found := parse_message_id(text)) is not None]
    if answered is not None:
        message["In-Reply-To"] = MessageIds("In-Reply-To", [answered])
        references = [*(one for one in references if one != answered), answered]
    if len(references) > _REFERENCES_MAX:
        references = [references[0], *references[1 - _REFERENCES_MAX :]]
    if references:
        message["References"] = MessageIds("References", references)
    message.set_content(reply.text)
    message.add_alternative(_html(reply.text), subtype="html")
    for attachment, content in files:
        maintype, _, subtype = attachment.content_type.partition("/")
        if not (maintype.isalnum() and subtype.replace("-", "").replace(".", "").replace("+", "").isalnum()):
            maintype, subtype = "application", "octet-stream"
        if maintype in ("message", "multipart"):
            # Only the bytes go out, so that nothing in them is taken for a part of this mail.
            maintype, subtype = "application", "octet-stream"
        name = clean_line(attachment.name, 200) or "attachment"
        message.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)
    return message


def _address(name: str | None, address: str) -> Address:
    return Address(display_name=clean_line(name or "", 200), addr_spec=address)


def _subject(subject: str | None) -> str:
    text = clean_line(subject or "", 500)
    if text.lower().startswith(("re:", "r:", "aw:", "sv:")):
        return text
    return f"Re: {text}".strip()


def _html(text: str) -> str:
    paragraphs = [html.escape(part).replace("\n", "<br>\n") for part in text.strip().split("\n\n")]
    body = "\n".join(f"<p>{part}</p>" for part in paragraphs)
    return f'<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"></head>\n<body>\n{body}\n</body>\n</html>\n'
