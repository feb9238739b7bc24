"""Postmark: inbound mail and bounces as JSON.

Postmark signs nothing; the webhook's URL carries a user and a password, which come as basic authentication. It takes 200 for success,
403 as "never again", and anything else as a reason to try ten times in ten hours. Only wrong credentials get the 403: what this
version cannot read may be readable to one that is installed within those hours.
https://postmarkapp.com/developer/webhooks/inbound-webhook, .../bounce-webhook
"""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime
from typing import Final

from libs.common.events.outbound import AddressBounced, ReplyRequested
from services.ingest.channels.email_headers import MailHeaders, parse_addresses
from services.ingest.channels.email_mail import Mail, MailFile, normalise_mail
from services.ingest.channels.email_reply import MailSender
from services.ingest.channels.handles import mail_handle
from services.ingest.channels.payload import JsonObject, object_of, objects_of, parse_object, text_of
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

# Bounces after which the address gets no more mail; the others may pass. https://postmarkapp.com/developer/api/bounce-api#bounce-types
_PERMANENT: Final = frozenset({"HardBounce", "BadEmailAddress", "SpamComplaint", "ManuallyDeactivated"})
# "Bounces" that are answers of a machine or of a person, and say nothing against the address.
_NO_BOUNCE: Final = frozenset({"AutoResponder", "AddressChange", "Subscribe", "ChallengeVerification", "OpenRelayTest"})
_REASON_CHARS_MAX: Final = 300


class PostmarkChannel:
    """The adapter of Postmark. Replies go out through the mail server; see `MailSender` for the guarantee."""

    def verify(self, request: InboundRequest, account: AccountContext, now_ms: int) -> None:
        """Compare the credentials of the webhook's URL, which the account's secret holds as `user:password`."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        expected = base64.b64encode((account.secret or "").encode())
        same = hmac.compare_digest(given.strip().encode("utf-8", "surrogatepass"), expected)
        if not account.secret or scheme.lower() != "basic" or not same:
            raise SignatureInvalidError("the webhook's user and password are missing or wrong")

    def replay_key(self, request: InboundRequest) -> ReplayKey | None:  # the port's signature
        """None: there is no signature, so there is nothing that could be replayed apart from the whole request."""
        return None

    def normalise(self, request: InboundRequest, account: AccountContext, now_ms: int) -> Normalised:
        """An inbound mail, a bounce, a complaint or a change of a suppression; other records are ignored."""
        fields = parse_object(request.body)
        record = text_of(fields, "RecordType")
        if record in ("Bounce", "SpamComplaint") or (record is None and "BouncedAt" in fields):
            return _bounce(fields, request.body, now_ms)
        if record == "SubscriptionChange":
            return _suppression(fields, request.body, now_ms)
        if record not in (None, "Inbound"):
            return Normalised(ignored=(f"record:{clean_line(record, 40)}",))
        if "From" not in fields and "FromFull" not in fields:
            raise MalformedError("From", "neither an inbound mail nor a record that Postmark sends")
        return normalise_mail(_mail(fields, request.body), account, now_ms)

    def answer(self) -> ProviderAnswer:
        """200."""
        return ProviderAnswer()

    def refusal_status(self, kind: RefusalKind) -> int:
        """As the contract says; see the module's docstring."""
        return REFUSAL_STATUS[kind]

    async def send(self, reply: ReplyRequested, account: AccountContext, means: Means) -> SendOutcome:
        """Send the reply as mail."""
        return await MailSender().send(reply, account, means)


def _mail(fields: JsonObject, body: bytes) -> Mail:
    sender = object_of(fields, "FromFull") or {}
    address = text_of(sender, "Email")
    headers = [(text_of(item, "Name") or "", text_of(item, "Value") or "") for _, item in objects_of(fields, "Headers")]
    date = text_of(fields, "Date")
    if date and not any(name.lower() == "date" for name, _ in headers):
        headers.append(("Date", date))
    files, problems = _files(fields)
    name = text_of(sender, "Name") or text_of(fields, "FromName") or ""
    return Mail(
        headers=MailHeaders(headers),
        # The name is put into quotes, so that a comma in it does not make two senders of one.
        sender=_mailbox(name, address) if address else text_of(fields, "From") or "",
        sender_place="FromFull.Email",
        provider_id=text_of(fields, "MessageID") or "",
        reply_to=text_of(fields, "ReplyTo"),
        recipients=_recipients(fields),
        subject=text_of(fields, "Subject"),
        text=text_of(fields, "TextBody"),
        stripped=text_of(fields, "StrippedTextReply"),
        html=text_of(fields, "HtmlBody"),
        files=files,
        problems=problems,
        raw=body,
    )


def _mailbox(name: str, address: str) -> str:
    quoted = clean_line(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def _recipients(fields: JsonObject) -> tuple[str, ...]:
    found = [text_of(item, "Email") for name in ("ToFull", "CcFull") for _, item in objects_of(fields, name)]
    found.append(text_of(fields, "OriginalRecipient"))
    addresses = [one.address for text in found for one in parse_addresses(text)]
    return tuple(dict.fromkeys(addresses))


def _files(fields: JsonObject) -> tuple[tuple[MailFile, ...], tuple[ItemProblem, ...]]:
    files, problems = [], []
    for place, item in objects_of(fields, "Attachments"):
        content = text_of(item, "Content") or ""
        try:
            data = base64.b64decode("".join(content.split()), validate=True)
        except (binascii.Error, ValueError):
            raw = content.encode("utf-8", "replace")
            problems.append(ItemProblem(place=f"Attachments[{place}].Content", detail="not base64", raw=raw))
            continue
        content_type = (text_of(item, "ContentType") or "").partition(";")[0].strip().lower()
        name = text_of(item, "Name") or ""
        files.append(MailFile(place=f"Attachments[{place}]", name=name, content_type=content_type, data=data))
    return tuple(files), tuple(problems)


def _bounce(fields: JsonObject, body: bytes, now_ms: int) -> Normalised:
    kind = text_of(fields, "Type") or text_of(fields, "RecordType") or "unknown"
    if kind in _NO_BOUNCE:
        return Normalised(ignored=(f"bounce:{kind}",))
    handle = mail_handle(text_of(fields, "Email"))
    if handle is None:
        return Normalised(problems=(ItemProblem(place="Email", detail="no mail address", raw=body),))
    details = text_of(fields, "Details") or text_of(fields, "Description") or ""
    bounced = AddressBounced(
        message_id="",
        at_ms=_time_ms(text_of(fields, "BouncedAt")) or now_ms,
        handle=handle,
        permanent=fields.get("Inactive") is True or kind in _PERMANENT,
        reason=clean_line(f"{kind}: {details}".rstrip(": "), _REASON_CHARS_MAX),
    )
    return Normalised(deliveries=(bounced,))


def _suppression(fields: JsonObject, body: bytes, now_ms: int) -> Normalised:
    if fields.get("SuppressSending") is not True:
        return Normalised(ignored=("suppression-lifted",))
    handle = mail_handle(text_of(fields, "Recipient"))
    if handle is None:
        return Normalised(problems=(ItemProblem(place="Recipient", detail="no mail address", raw=body),))
    reason = clean_line(text_of(fields, "SuppressionReason") or "suppressed", _REASON_CHARS_MAX)
    at_ms = _time_ms(text_of(fields, "ChangedAt")) or now_ms
    bounced = AddressBounced(message_id="", at_ms=at_ms, handle=handle, permanent=True, reason=reason)
    return Normalised(deliveries=(bounced,))


def _time_ms(text: str | None) -> int | None:
    try:
        parsed = datetime.fromisoformat(text or "")
        return max(0, int(parsed.timestamp() * 1000)) if parsed.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
