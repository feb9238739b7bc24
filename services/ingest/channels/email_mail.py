"""A mail as the mail adapters hand it over, and how it becomes a message: the one place where all of them meet.

Pure. It knows no provider; `email_postmark`, `email_mailgun` and `email_mime` fill in a `Mail`, `normalise_mail` makes the rest of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from libs.common import ids
from libs.common.events.message import Attachment, Message
from services.ingest.channels.email_bounce import read_report
from services.ingest.channels.email_headers import (
    MailAddress,
    MailHeaders,
    is_automatic,
    is_report,
    parse_addresses,
    parse_date_ms,
    parse_message_id,
    parse_references,
)
from services.ingest.channels.handles import unique_handles
from services.ingest.channels.port import AccountContext, AttachmentContent, ItemProblem, Normalised
from services.ingest.channels.text import clean_line, clean_line_or_none, clean_text, html_to_text

ATTACHMENTS_MAX: Final = 100
ATTACHMENT_BYTES_MAX: Final = 36 * 1024 * 1024
_CONTENT_TYPE_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFile:
    """A file of a mail. `place` is where it stands in the request. `remote`: where it can be fetched, if it is not here."""

    place: str
    name: str
    content_type: str
    data: bytes = field(default=b"", repr=False)
    remote: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail, before anything is made of it.

    `provider_id`: the provider's own id of it, empty where it has none. `sender`: the From header's text, at `sender_place`. `stripped`:
    the text without quoted mails, where the provider finds it. `envelope_sender`: empty for the null sender, None where unknown.
    `occurred_ms`: when the provider took it, where it says so. `raw`: its bytes for a dead letter.
    """

    headers: MailHeaders
    sender: str
    sender_place: str
    provider_id: str = ""
    reply_to: str | None = None
    recipients: tuple[str, ...] = ()
    subject: str | None = None
    text: str | None = None
    stripped: str | None = None
    html: str | None = None
    files: tuple[MailFile, ...] = ()
    problems: tuple[ItemProblem, ...] = ()
    envelope_sender: str | None = None
    occurred_ms: int | None = None
    raw: bytes = field(default=b"", repr=False)


def normalise_mail(mail: Mail, account: AccountContext, now_ms: int) -> Normalised:
    """The mail as a message, as bounces where it is a mail system's report, or as the problem that it is."""
    if is_report(mail.headers) or "x-failed-recipients" in mail.headers:
        parts = [(file.content_type, file.data) for file in mail.files]
        report = read_report(parts, mail.headers, now_ms)
        if report.bounces or report.other:
            return Normalised(deliveries=report.bounces, ignored=report.other)
    senders = parse_addresses(mail.sender)
    if not senders:
        problem = ItemProblem(place=mail.sender_place, detail="the sender has no mail address", raw=mail.raw)
        return Normalised(problems=(*mail.problems, problem))
    sender = senders[0]
    if _is_own(sender.address, account):
        problem = ItemProblem(
            place=mail.sender_place, detail="a loop: the sender is this account's own address", raw=mail.raw
        )
        return Normalised(problems=(*mail.problems, problem), ignored=("loop",))
    return _message(mail, sender, account, now_ms)


def _message(mail: Mail, sender: MailAddress, account: AccountContext, now_ms: int) -> Normalised:
    answer_to = _answer_to(mail, sender, account)
    handle = f"mailto:{answer_to.address}"
    email_id = parse_message_id(mail.headers.get("message-id"))
    message_id = _message_id(mail, sender, email_id, account)
    attachments, contents, problems = _attachments(mail, message_id)
    message = Message(
        id=message_id,
        thread_id=ids.thread_id(account.name, handle),
        account=account.name,
        channel=account.channel,
        provider_id=email_id or clean_line(mail.provider_id) or message_id,
        handle=handle,
        handles=unique_handles(handle, f"mailto:{sender.address}"),
        received_ms=now_ms,
        occurred_ms=mail.occurred_ms or parse_date_ms(mail.headers.get("date")),
        name=answer_to.name or sender.name,
        subject=clean_line_or_none(mail.subject),
        text=_text(mail),
        language=account.language,
        attachments=attachments,
        attributes=_attributes(mail),
        email_message_id=email_id,
        email_references=parse_references(mail.headers),
        automatic=is_automatic(mail.headers, sender.address, mail.envelope_sender),
    )
    return Normalised(messages=(message,), attachments=contents, problems=(*mail.problems, *problems))


def _answer_to(mail: Mail, sender: MailAddress, account: AccountContext) -> MailAddress:
    """Who is to be answered: Reply-To where it is an address and not our own, else From. Shop forms put the customer there."""
    for address in parse_addresses(mail.reply_to if mail.reply_to is not None else mail.headers.get("reply-to")):
        if not _is_own(address.address, account):
            return address
    return sender


def _message_id(mail: Mail, sender: MailAddress, email_id: str | None, account: AccountContext) -> ids.MessageId:
    if email_id is None:
        # Without a Message-ID the provider's id must do, and without that the content: a retry brings the same.
        own = clean_line(mail.provider_id) or hashlib.sha256(mail.raw).hexdigest()
        return ids.message_id(account.name, own)
    # The sender and the sender's clock stand beside it, because broken programs give several mails one Message-ID, and because
    # nobody may make another's mail disappear by using its id first. Both are the same in every mailbox that the mail reaches.
    date_ms = parse_date_ms(mail.headers.get("date"))
    return ids.message_id("rfc5322", f"{email_id} {sender.address} {'' if date_ms is None else date_ms}")


def _text(mail: Mail) -> str:
    for text in (mail.stripped, mail.text):
        cleaned = clean_text(text or "")
        if cleaned:
            return cleaned
    return html_to_text(mail.html) if mail.html else ""


def _attributes(mail: Mail) -> dict[str, str]:
    attributes = {}
    if mail.recipients:
        attributes["to"] = clean_line(", ".join(mail.recipients))
    spam = (mail.headers.get("x-spam-status") or mail.headers.get("x-mailgun-sflag") or "").lower()
    if spam.startswith("yes"):
        attributes["spam"] = "yes"
    return attributes


def _attachments(
    mail: Mail, message_id: str
) -> tuple[tuple[Attachment, ...], tuple[AttachmentContent, ...], tuple[ItemProblem, ...]]:
    attachments: dict[str, Attachment] = {}
    contents, problems = [], []
    for number, file in enumerate(mail.files):
        if number >= ATTACHMENTS_MAX:
            problems.append(ItemProblem(place=file.place, detail=f"more than {ATTACHMENTS_MAX} attachments"))
            break
        if len(file.data) > ATTACHMENT_BYTES_MAX:
            problems.append(ItemProblem(place=file.place, detail=f"larger than {ATTACHMENT_BYTES_MAX} bytes"))
            continue
        # The message's id is part of it: the same file from two customers is kept twice, so that one of them can be erased.
        key = file.remote or hashlib.sha256(file.data).hexdigest()
        attachment_id = ids.attachment_id(message_id, key)
        content_type = clean_line(file.content_type, _CONTENT_TYPE_CHARS_MAX).lower() or "application/octet-stream"
        attachments[attachment_id] = Attachment(
            id=attachment_id,
            name=clean_line(file.name, 255) or "attachment",
            content_type=content_type,
            size_bytes=len(file.data) if file.remote is None else file.size_bytes,
            remote=file.remote,
        )
        if file.remote is None:
            contents.append(AttachmentContent(id=attachment_id, content_type=content_type, data=file.data))
    return tuple(attachments.values()), tuple(contents), tuple(problems)


def _is_own(address: str, account: AccountContext) -> bool:
    own = parse_addresses(account.address)
    return bool(own) and _without_tag(address) == _without_tag(own[0].address)


def _without_tag(address: str) -> str:
    local, _, domain = address.partition("@")
    return f"{local.partition('+')[0]}@{domain}"
