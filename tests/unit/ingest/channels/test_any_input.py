"""Whatever is posted, an adapter gives messages that can be written to the log, or one of its own errors, and nothing else."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.events.codec import encode_record
from libs.common.events.inputs import AnyInput, ContactReceived
from libs.common.events.outbound import AnyDelivery
from services.ingest.channels.port import AccountContext, Channel, InboundRequest, MalformedError, SignatureInvalidError
from services.ingest.channels.registry import find_channel
from tests.unit.ingest.channels.samples import (
    MAILGUN,
    NOW_MS,
    POSTMARK,
    SMS,
    TELEGRAM,
    WHATSAPP,
    mailgun_form,
    multipart_request,
    postmark_mail,
    sms_form,
    telegram_update,
    whatsapp_form,
)

ACCOUNTS = st.sampled_from([POSTMARK, MAILGUN, SMS, WHATSAPP, TELEGRAM])
# Lone surrogates included: JSON can carry them.
TEXT = st.text(alphabet=st.characters(), max_size=60)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)
CONTENT_TYPES = st.sampled_from(
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=xYzZY",
        "text/plain",
        "",
        "; =",
    ]
) | st.text(max_size=30)
OFTEN = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)

_decode_input = msgspec.json.Decoder(AnyInput).decode
_decode_delivery = msgspec.json.Decoder(AnyDelivery).decode


def channel_of(account: AccountContext) -> Channel:
    channel = find_channel(account)
    assert channel is not None
    return channel


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, (list, tuple)):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def check_everything(request: InboundRequest, account: AccountContext) -> None:
    """Every function of the port that sees a request, and what comes out of it."""
    channel = channel_of(account)
    try:
        channel.verify(request, account, NOW_MS)
    except SignatureInvalidError as error:
        assert str(error)  # noqa: PT017 # either outcome is right; another error is not.
    try:
        channel.replay_key(request)
        normalised = channel.normalise(request, account, NOW_MS)
    except MalformedError as error:
        assert error.place  # noqa: PT017 # either outcome is right; another error is not.
        error.place.encode()
        error.detail.encode()
        return
    for message in normalised.messages:
        received = ContactReceived(pool="care", message=message, contact_id="con_1", queue="general")
        record = encode_record(
            received, key="care", event_id=message.id, source="test", time_ms=NOW_MS, correlation_id="c"
        )
        assert "\x00" not in "".join(_texts(msgspec.to_builtins(message)))
        assert _decode_input(record.value) == received
        assert message.handle in message.handles
        assert message.received_ms == NOW_MS
    for delivery in normalised.deliveries:
        assert _decode_delivery(msgspec.json.encode(delivery)) == delivery
    for problem in normalised.problems:
        problem.place.encode()
        problem.detail.encode()
    for word in normalised.ignored:
        word.encode()
    ids = {attachment.id for message in normalised.messages for attachment in message.attachments}
    assert {content.id for content in normalised.attachments} <= ids


@given(ACCOUNTS, CONTENT_TYPES, st.binary(max_size=300), st.text(max_size=40))
@OFTEN
def test_arbitrary_bytes(account: AccountContext, content_type: str, body: bytes, header: str) -> None:
    headers = {
        "content-type": content_type,
        "authorization": header,
        "x-twilio-signature": header,
        "x-telegram-bot-api-secret-token": header,
    }
    check_everything(InboundRequest(method="POST", url=header, headers=headers, body=body), account)


def _json_request(value: Any) -> InboundRequest:
    return InboundRequest(
        method="POST", url="u", headers={"content-type": "application/json"}, body=json.dumps(value).encode()
    )


@given(ACCOUNTS, VALUES)
@OFTEN
def test_arbitrary_json(account: AccountContext, value: Any) -> None:
    check_everything(_json_request(value), account)


POSTMARK_BOUNCE = {
    "RecordType": "Bounce",
    "Type": "",
    "Email": "a@b.example",
    "BouncedAt": "",
    "Details": "",
    "Inactive": False,
}
MAILGUN_EVENT: dict[str, Any] = {
    "signature": {},
    "event-data": {"event": "failed", "recipient": "a@b.example", "timestamp": 1, "message": {}},
}


@given(
    st.sampled_from([*postmark_mail(), "RecordType", "RawEmail"]), VALUES, st.sampled_from([*POSTMARK_BOUNCE]), VALUES
)
@OFTEN
def test_a_postmark_record_with_anything_in_one_field(
    name: str, value: Any, bounce_name: str, bounce_value: Any
) -> None:
    check_everything(_json_request(postmark_mail(**{name: value})), POSTMARK)
    check_everything(_json_request({**POSTMARK_BOUNCE, bounce_name: bounce_value}), POSTMARK)


@given(
    TEXT, TEXT, st.sampled_from(["From", "Reply-To", "Message-ID", "References", "Date", "Content-Type", "Return-Path"])
)
@OFTEN
def test_mail_headers_of_any_kind(value: str, text: str, name: str) -> None:
    fields = postmark_mail(
        Headers=[{"Name": name, "Value": value}], ReplyTo=value, Subject=text, StrippedTextReply=text
    )
    check_everything(_json_request(fields), POSTMARK)


@given(
    st.sampled_from(
        [
            "from",
            "chat",
            "date",
            "text",
            "photo",
            "document",
            "sticker",
            "location",
            "venue",
            "contact",
            "poll",
            "caption",
        ]
    ),
    VALUES,
)
@OFTEN
def test_a_telegram_update_with_anything_in_one_field(name: str, value: Any) -> None:
    check_everything(_json_request(telegram_update(**{"text": "x", name: value})), TELEGRAM)
    check_everything(
        _json_request({"update_id": 1, "edited_message": telegram_update(**{name: value})["message"]}), TELEGRAM
    )


@given(
    st.sampled_from(["Body", "From", "NumMedia", "MediaUrl0", "WaId", "MessageStatus", "SmsStatus", "Latitude"]),
    TEXT,
    TEXT,
)
@OFTEN
def test_a_twilio_form_with_anything_in_one_field(name: str, value: str, other: str) -> None:
    for account, form in ((SMS, sms_form()), (WHATSAPP, whatsapp_form())):
        fields = {**form, "MediaUrl0": other, name: value}
        body = urlencode(fields, errors="surrogatepass").encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        query = (("message", other), ("part", value))
        check_everything(InboundRequest(method="POST", url="u", query=query, headers=headers, body=body), account)


@given(
    st.sampled_from([*mailgun_form(), "attachments", "timestamp"]),
    TEXT,
    VALUES,
    st.sampled_from([*MAILGUN_EVENT["event-data"]]),
)
@OFTEN
def test_a_mailgun_form_or_event_with_anything_in_one_field(name: str, text: str, value: Any, field: str) -> None:
    for anything in (text, json.dumps(value)):
        body = urlencode({**mailgun_form(), name: anything}, errors="surrogatepass").encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        check_everything(InboundRequest(method="POST", url="u", headers=headers, body=body), MAILGUN)
    event = {**MAILGUN_EVENT, "event-data": {**MAILGUN_EVENT["event-data"], field: value}}
    check_everything(_json_request(event), MAILGUN)


MIME_LINES = st.sampled_from(
    [
        b"From: Luca <luca@example.com>",
        b"From: =?utf-8?b?!!!?= <x@y.example>",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: multipart/report; boundary=b",
        b"Content-Type: message/delivery-status",
        b"Content-Type: message/rfc822",
        b"Content-Type: text/html; charset*=x''%00",
        b"Content-Type: text/plain; charset=\xff; name*0*=a''b",
        b"Content-Disposition: attachment; filename*=''%ff",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: uuencode",
        b"Final-Recipient: rfc822; a@b.example",
        b"Action: failed",
        b"Date: Mon, 99 Foo 99999 99:99:99 +9999",
        b"Message-ID: <" + b"x" * 2000 + b"@y>",
        b"--b",
        b"--b--",
        b"",
        b"begin 644 x",
    ]
) | st.binary(max_size=40)


@given(st.lists(MIME_LINES, max_size=25))
@OFTEN
def test_raw_mail_of_any_kind(lines: list[bytes]) -> None:
    fields: dict[str, str | bytes] = {"sender": "a@b.example", "body-mime": b"\r\n".join(lines)}
    check_everything(multipart_request(fields, [], "a-boundary-of-its-own"), MAILGUN)


@pytest.mark.parametrize("account", [POSTMARK, MAILGUN, SMS, WHATSAPP, TELEGRAM], ids=lambda account: str(account.name))
def test_a_request_of_nothing(account: AccountContext) -> None:
    check_everything(InboundRequest(method="GET", url=""), account)
    check_everything(InboundRequest(method="POST", url=""), account)
