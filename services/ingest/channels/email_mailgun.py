"""Mailgun: inbound mail by routes (parsed, stored or raw MIME, as a form) and delivery events (as JSON).

The signature covers a timestamp and a token, not the body: a token that comes again with another body is a replay, which the port's
`replay_key` lets the ingest app see. Mailgun takes 200 for success, 406 as "never again", and anything else as a reason to try again,
for eight hours. https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from libs.common.events.outbound import AddressBounced, AnyDelivery, MessageDelivered, ReplyRequested
from services.ingest.channels.email_headers import MailHeaders, own_id, parse_addresses, parse_message_id
from services.ingest.channels.email_mail import Mail, MailFile, normalise_mail
from services.ingest.channels.email_mime import parse_mail
from services.ingest.channels.email_reply import MailSender
from services.ingest.channels.form import Form, parse_form
from services.ingest.channels.handles import mail_handle
from services.ingest.channels.payload import JsonObject, integer_of, number_of, object_of, parse_object, text_of
from services.ingest.channels.port import (
    REFUSAL_STATUS,
    AccountContext,
    InboundRequest,
    ItemProblem,
    MalformedError,
    Means,
    Normalised,
    ProviderAnswer,
    RefusalKind,
    ReplayKey,
    SendOutcome,
    SignatureInvalidError,
)
from services.ingest.channels.text import clean_line

# Mailgun's last attempt comes eight hours after the first, with the first one's timestamp.
TIMESTAMP_AGE_MAX_MS: Final = 9 * 3_600_000
TIMESTAMP_AHEAD_MAX_MS: Final = 10 * 60_000
_SIGNED: Final = (b"timestamp", b"token", b"signature")
_REASON_CHARS_MAX: Final = 300
_STORED_FILES_MAX: Final = 100


class MailgunChannel:
    """The adapter of Mailgun. Replies go out through the mail server; see `MailSender` for the guarantee."""

    def verify(self, request: InboundRequest, account: AccountContext, now_ms: int) -> None:
        """Check HMAC-SHA256 of timestamp and token with the account's signing key, and that the timestamp is recent."""
        signed = _signed(request)
        if signed is None or not account.secret:
            raise SignatureInvalidError("timestamp, token or signature is missing")
        timestamp, token, signature = signed
        expected = hmac.new(account.secret.encode(), timestamp + token, hashlib.sha256).hexdigest().encode()
        if not hmac.compare_digest(signature.lower(), expected):
            raise SignatureInvalidError("the signature does not match")
        signed_ms = _signed_ms(timestamp)
        if signed_ms is None or not now_ms - TIMESTAMP_AGE_MAX_MS <= signed_ms <= now_ms + TIMESTAMP_AHEAD_MAX_MS:
            raise SignatureInvalidError("the signature's timestamp is out of bounds")

    def replay_key(self, request: InboundRequest) -> ReplayKey | None:
        """The token with a digest of everything that the signature does not cover."""
        signed = _signed(request)
        signed_ms = None if signed is None else _signed_ms(signed[0])
        if signed is None or signed_ms is None:
            return None
        expires_ms = signed_ms + TIMESTAMP_AGE_MAX_MS + 60_000
        token = hashlib.sha256(signed[1]).hexdigest()
        return ReplayKey(token=token, digest=_content_digest(request), expires_ms=expires_ms)

    def normalise(self, request: InboundRequest, account: AccountContext, now_ms: int) -> Normalised:
        """A mail out of a form, a delivery event out of JSON."""
        if _is_json(request):
            return _event(parse_object(request.body), account, request.body, now_ms)
        form = parse_form(request.headers, request.body)
        return normalise_mail(_mail(form, request.body), account, now_ms)

    def answer(self) -> ProviderAnswer:
        """200."""
        return ProviderAnswer()

    def refusal_status(self, kind: RefusalKind) -> int:
        """406 for what will be no better at the next attempt; 403 for a bad signature, as the contract says."""
        return REFUSAL_STATUS[kind] if kind is RefusalKind.SIGNATURE else 406

    async def send(self, reply: ReplyRequested, account: AccountContext, means: Means) -> SendOutcome:
        """Send the reply as mail."""
        return await MailSender().send(reply, account, means)


def _is_json(request: InboundRequest) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _signed(request: InboundRequest) -> tuple[bytes, bytes, bytes] | None:
    """Timestamp, token and signature. Where a field comes more than once, the last counts: a mail's own variables come before."""
    try:
        if _is_json(request):
            fields = object_of(parse_object(request.body), "signature") or {}
            texts = [text_of(fields, name.decode()) for name in _SIGNED]
            values = {name: text.encode("utf-8", "replace") for name, text in zip(_SIGNED, texts, strict=True) if text}
        else:
            values = dict(parse_form(request.headers, request.body).pairs)
    except MalformedError:
        return None
    if not all(values.get(name) for name in _SIGNED):
        return None
    return values[b"timestamp"], values[b"token"], values[b"signature"]


def _signed_ms(timestamp: bytes) -> int | None:
    return int(timestamp) * 1000 if timestamp.isdigit() and len(timestamp) <= 12 else None


def _content_digest(request: InboundRequest) -> str:
    # Over the fields and not the bytes, because an attempt may draw another boundary between the same fields.
    digest = hashlib.sha256()
    if _is_json(request):
        digest.update(request.body)
        return digest.hexdigest()
    form = parse_form(request.headers, request.body)
    parts = [part for name, value in form.pairs if name not in _SIGNED for part in (name, value)]
    for file in form.files:
        parts += [file.name.encode("utf-8", "replace"), file.file_name.encode("utf-8", "replace"), file.data]
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _mail(form: Form, body: bytes) -> Mail:
    timestamp = dict(form.pairs).get(b"timestamp", b"")
    occurred_ms = _signed_ms(timestamp)
    raw = dict(form.pairs).get(b"body-mime")
    # The null sender comes as an empty field; a field that is not there says nothing.
    envelope_sender = dict(form.pairs).get(b"sender", b"?").decode("utf-8", "replace").strip("<> ")
    known_sender = None if envelope_sender == "?" else envelope_sender
    recipients = [one.address for one in parse_addresses(form.text("recipient"))]
    if raw is not None:
        parsed = parse_mail(raw, "body-mime", envelope_sender=known_sender, occurred_ms=occurred_ms)
        return replace(parsed, recipients=tuple(dict.fromkeys([*recipients, *parsed.recipients])))
    if form.text("from") is None and form.text("sender") is None:
        raise MalformedError("from", "neither an inbound mail nor an event that Mailgun sends")
    headers = MailHeaders(_header_pairs(form))
    recipients += [one.address for name in ("to", "cc") for one in parse_addresses(headers.get(name))]
    return Mail(
        headers=headers,
        sender=form.text("from") or form.text("sender") or "",
        sender_place="from",
        recipients=tuple(dict.fromkeys(recipients)),
        subject=form.text("subject"),
        text=form.text("body-plain"),
        stripped=form.text("stripped-text"),
        html=form.text("body-html"),
        files=_files(form),
        envelope_sender=known_sender,
        occurred_ms=occurred_ms,
        raw=body,
    )


def _header_pairs(form: Form) -> list[tuple[str, str]]:
    """`message-headers` is a JSON list of pairs; without it, the fields that carry the same."""
    try:
        listed = json.loads(form.text("message-headers") or "null")
    except (ValueError, RecursionError):
        listed = None
    if isinstance(listed, list):
        pairs = [pair for pair in listed if isinstance(pair, list) and len(pair) == 2]
        return [(name, value) for name, value in pairs if isinstance(name, str) and isinstance(value, str)]
    names = (
        "Message-Id",
        "In-Reply-To",
        "References",
        "Reply-To",
        "Date",
        "Auto-Submitted",
        "Precedence",
        "Content-Type",
    )
    return [(name, text) for name in names if (text := form.text(name)) is not None]


def _files(form: Form) -> tuple[MailFile, ...]:
    files = [
        MailFile(
            place=clean_line(file.name, 100),
            name=file.file_name,
            content_type=file.content_type.partition(";")[0].strip().lower(),
            data=file.data,
        )
        for file in form.files
    ]
    return (*files, *_stored_files(form))


def _stored_files(form: Form) -> list[MailFile]:
    """The attachments of a mail that Mailgun stored: a JSON list of where they are."""
    try:
        listed = json.loads(form.text("attachments") or "null")
    except (ValueError, RecursionError):
        return []
    files = []
    for place, item in enumerate(listed[:_STORED_FILES_MAX] if isinstance(listed, list) else ()):
        url = text_of(item, "url") if isinstance(item, dict) else None
        if url and _is_web_url(url):
            files.append(
                MailFile(
                    place=f"attachments[{place}]",
                    name=text_of(item, "name") or "",
                    content_type=(text_of(item, "content-type") or "").partition(";")[0].strip().lower(),
                    remote=clean_line(url, 2_000),
                    size_bytes=integer_of(item, "size"),
                )
            )
    return files


def _is_web_url(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("https", "http")
    except ValueError:
        return False


def _event(fields: JsonObject, account: AccountContext, body: bytes, now_ms: int) -> Normalised:
    event = object_of(fields, "event-data")
    name = None if event is None else text_of(event, "event")
    if event is None or name is None:
        raise MalformedError("event-data.event", "missing")
    if name not in ("failed", "complained", "unsubscribed", "delivered"):
        return Normalised(ignored=(f"event:{clean_line(name, 40)}",))
    seconds = number_of(event, "timestamp")
    at_ms = now_ms if seconds is None or seconds < 0 else int(seconds * 1000)
    headers = object_of(object_of(event, "message") or {}, "headers") or {}
    provider_id = parse_message_id(text_of(headers, "message-id")) or ""
    message_id = own_id(provider_id) or ""
    delivery: AnyDelivery
    if name == "delivered":
        delivery = MessageDelivered(message_id=message_id, at_ms=at_ms, provider_id=provider_id, account=account.name)
        return Normalised(deliveries=(delivery,)) if message_id else Normalised(ignored=("event:delivered",))
    handle = mail_handle(text_of(event, "recipient"))
    if handle is None:
        return Normalised(problems=(ItemProblem(place="event-data.recipient", detail="no mail address", raw=body),))
    status = object_of(event, "delivery-status") or {}
    reason = text_of(status, "message") or text_of(status, "description") or text_of(event, "reason") or name
    delivery = AddressBounced(
        message_id=message_id,
        at_ms=at_ms,
        handle=handle,
        permanent=name != "failed" or text_of(event, "severity") == "permanent",
        reason=clean_line(reason, _REASON_CHARS_MAX),
    )
    return Normalised(deliveries=(delivery,))
