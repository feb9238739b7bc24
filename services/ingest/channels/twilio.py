"""Twilio's text messages and WhatsApp: incoming messages and the status of what was sent, both as forms to one webhook URL.

Twilio tries a webhook once (and then its fallback URL), within 15 seconds, and takes an empty TwiML document as "nothing to answer".
https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from libs.common import ids
from libs.common.events.message import Attachment, Message
from libs.common.events.outbound import (
    AnyDelivery,
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageSent,
    ReplyRequested,
)
from services.ingest.channels.form import read_form
from services.ingest.channels.handles import identifier_handle, phone_handle, sms_handle, unique_handles
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
)
from services.ingest.channels.text import clean_line, clean_line_or_none, clean_text
from services.ingest.channels.twilio_send import explain_error, send_reply
from services.ingest.channels.twilio_signature import verify_signature

MEDIA_MAX: Final = 20
_INBOUND: Final = frozenset({"received", "receiving"})
_FAILURES: Final = frozenset({"failed", "undelivered", "canceled"})
_URL_CHARS_MAX: Final = 2_000

Parameters = Mapping[str, str]


class TwilioChannel:
    """The adapter of Twilio's SMS and WhatsApp. See `twilio_send` for the guarantee of replies."""

    def verify(self, request: InboundRequest, account: AccountContext, now_ms: int) -> None:
        """Check `X-Twilio-Signature` with the account's auth token."""
        verify_signature(request, account.secret)

    def replay_key(self, request: InboundRequest) -> ReplayKey | None:
        """None: the signature covers the URL and every parameter, so that a replay is a duplicate and changes nothing."""
        return None

    def normalise(self, request: InboundRequest, account: AccountContext, now_ms: int) -> Normalised:
        """An incoming message, or the status of one that was sent."""
        parameters = _parameters(request)
        status = (parameters.get("MessageStatus") or parameters.get("SmsStatus") or "received").lower()
        sid = parameters.get("MessageSid") or parameters.get("SmsMessageSid") or parameters.get("SmsSid") or ""
        sid = clean_line(sid, 100)
        if not sid:
            raise MalformedError("MessageSid", "missing")
        if status not in _INBOUND:
            return _delivery(sid, status, parameters, dict(request.query), account, now_ms)
        return _message(sid, parameters, account, now_ms, request.body)

    def answer(self) -> ProviderAnswer:
        """TwiML that says nothing; a text here would be sent to the customer."""
        body = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
        return ProviderAnswer(content_type="text/xml; charset=utf-8", body=body)

    def refusal_status(self, kind: RefusalKind) -> int:
        """As the contract says: no code means anything in particular to Twilio, which does not try again by itself."""
        return REFUSAL_STATUS[kind]

    async def send(self, reply: ReplyRequested, account: AccountContext, means: Means) -> SendOutcome:
        """Send the reply by the Messages API."""
        return await send_reply(reply, account, means)


def _parameters(request: InboundRequest) -> Parameters:
    if request.method == "GET":
        return dict(request.query)
    return read_form(request).texts()


def _message(sid: str, parameters: Parameters, account: AccountContext, now_ms: int, raw: bytes) -> Normalised:
    sender = parameters.get("From", "")
    handles = _handles(sender, parameters)
    if not handles:
        return Normalised(problems=(ItemProblem(place="From", detail="the sender has no number", raw=raw),))
    if account.address and handles[0] in (sms_handle(account.address), phone_handle(_without_prefix(account.address))):
        problem = ItemProblem(place="From", detail="a loop: the sender is this account's own number", raw=raw)
        return Normalised(problems=(problem,), ignored=("loop",))
    message_id = ids.message_id(account.name, sid)
    attachments, problems = _media(parameters, message_id)
    text = clean_text(parameters.get("Body", ""))
    message = Message(
        id=message_id,
        thread_id=ids.thread_id(account.name, handles[0]),
        account=account.name,
        channel=account.channel,
        provider_id=sid,
        handle=handles[0],
        handles=handles,
        received_ms=now_ms,
        name=clean_line_or_none(parameters.get("ProfileName"), 200),
        text=text,
        language=account.language,
        attachments=attachments,
        attributes=_attributes(parameters, text, attachments, account),
    )
    return Normalised(messages=(message,), problems=problems)


def _without_prefix(address: str) -> str:
    return address.removeprefix("whatsapp:")


def _handles(sender: str, parameters: Parameters) -> tuple[str, ...]:
    """Who sent it. On WhatsApp the phone number where there is one, so that one card has both channels, and its own user id."""
    if not sender.lower().startswith("whatsapp:"):
        return unique_handles(sms_handle(sender))
    user = sender[len("whatsapp:") :]
    number = phone_handle(user)
    if number is None and parameters.get("WaId", "").isdigit():
        number = phone_handle(f"+{parameters['WaId']}")
    user_ids = [text for text in (user, parameters.get("WaId"), parameters.get("ExternalUserId")) if text]
    # A user id with a letter or a dot is not the number in other words.
    others = [identifier_handle("whatsapp", text) for text in user_ids if not text.lstrip("+").isdigit()]
    return unique_handles(number, *others)


def _media(parameters: Parameters, message_id: str) -> tuple[tuple[Attachment, ...], tuple[ItemProblem, ...]]:
    attachments: dict[str, Attachment] = {}
    problems = []
    count = parameters.get("NumMedia", "0")
    number_of_media = int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 0
    if number_of_media > MEDIA_MAX:
        problems.append(ItemProblem(place="NumMedia", detail=f"more than {MEDIA_MAX} files"))
    for number in range(min(number_of_media, MEDIA_MAX)):
        url = clean_line(parameters.get(f"MediaUrl{number}", ""), _URL_CHARS_MAX)
        if not _is_web_url(url):
            problems.append(ItemProblem(place=f"MediaUrl{number}", detail="no web address", raw=url.encode()))
            continue
        attachment_id = ids.attachment_id(message_id, url)
        content_type = clean_line(parameters.get(f"MediaContentType{number}", ""), 200).lower()
        attachments[attachment_id] = Attachment(
            id=attachment_id,
            name=f"file-{number + 1}",
            content_type=content_type or "application/octet-stream",
            remote=url,
        )
    return tuple(attachments.values()), tuple(problems)


def _is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)


def _attributes(
    parameters: Parameters, text: str, attachments: tuple[Attachment, ...], account: AccountContext
) -> dict[str, str]:
    named: dict[str, str | None] = {
        "latitude": parameters.get("Latitude"),
        "longitude": parameters.get("Longitude"),
        "place": ", ".join(word for name in ("Label", "Address") if (word := parameters.get(name))),
        "button": parameters.get("ButtonPayload") or parameters.get("ListId"),
        "opt_out": parameters.get("OptOutType"),
        "to": parameters.get("To"),
        "replied_to": _replied_to(parameters, account),
    }
    if not text:
        named["content"] = _content(parameters, attachments)
    return {name: cleaned for name, value in named.items() if value and (cleaned := clean_line(value))}


def _replied_to(parameters: Parameters, account: AccountContext) -> str | None:
    sid = clean_line_or_none(parameters.get("OriginalRepliedMessageSid"), 100)
    return None if sid is None else ids.message_id(account.name, sid)


def _content(parameters: Parameters, attachments: tuple[Attachment, ...]) -> str:
    """What a message without text is."""
    if parameters.get("Latitude") and parameters.get("Longitude"):
        return "location"
    if attachments:
        kind = attachments[0].content_type
        if "vcard" in kind:
            return "contact"
        major = kind.partition("/")[0]
        return major if major in ("image", "audio", "video") else "document"
    return parameters.get("MessageType") or "empty"


def _delivery(
    sid: str, status: str, parameters: Parameters, query: Parameters, account: AccountContext, now_ms: int
) -> Normalised:
    """What became of a reply. Our ids come back in the query of the callback's URL, which the signature covers.

    A reply in several parts is there when the last one is, and has failed when any has.
    """
    message_id = clean_line(query.get("message", ""), 100)
    contact = clean_line_or_none(query.get("contact"), 100)
    thread = clean_line_or_none(query.get("thread"), 100)
    part, _, parts = query.get("part", "1.1").partition(".")
    found: AnyDelivery | None = None
    if status in _FAILURES:
        found = MessageFailed(
            message_id=message_id,
            at_ms=now_ms,
            reason=explain_error(parameters.get("ErrorCode"), parameters.get("ErrorMessage"), status),
            contact_id=contact,
            thread_id=thread,
            provider_id=sid,
            account=account.name,
        )
    elif part == parts and status == "delivered":
        found = MessageDelivered(message_id=message_id, at_ms=now_ms, provider_id=sid, account=account.name)
    elif part == parts and status == "read":
        found = MessageRead(message_id=message_id, at_ms=now_ms, provider_id=sid, account=account.name)
    elif part == parts and status == "sent" and message_id and contact and thread:
        found = MessageSent(message_id=message_id, at_ms=now_ms, contact_id=contact, thread_id=thread, provider_id=sid)
    if found is None:
        return Normalised(ignored=(f"status:{clean_line(status, 40)}",))
    return Normalised(deliveries=(found,))
