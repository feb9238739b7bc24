"""Mailgun's routes (parsed, raw, stored) and delivery events."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from libs.common.events.outbound import AddressBounced, MessageDelivered
from services.ingest.channels.email_mailgun import MailgunChannel
from services.ingest.channels.email_postmark import PostmarkChannel
from services.ingest.channels.port import InboundRequest, MalformedError, RefusalKind, SignatureInvalidError
from tests.unit.ingest.channels.samples import (
    MAILGUN,
    NOW_MS,
    POSTMARK,
    json_request,
    mailgun_form,
    mailgun_request,
    mailgun_signature,
    multipart_request,
    postmark_mail,
    postmark_request,
)

channel = MailgunChannel()


def test_a_signed_request_is_accepted() -> None:
    channel.verify(mailgun_request(mailgun_form()), MAILGUN, NOW_MS)


@pytest.mark.parametrize(
    "request_",
    [
        mailgun_request({**mailgun_form()}, timestamp=NOW_MS // 1000 - 10 * 3600),
        mailgun_request({**mailgun_form()}, timestamp=NOW_MS // 1000 + 3600),
        InboundRequest(
            method="POST", url="", headers={"content-type": "application/x-www-form-urlencoded"}, body=b"a=b"
        ),
        InboundRequest(method="POST", url="", headers={"content-type": "text/plain"}, body=b"a=b"),
        InboundRequest(method="POST", url="", headers={"content-type": "application/json"}, body=b"{"),
    ],
)
def test_an_unsigned_or_old_request_is_refused(request_: InboundRequest) -> None:
    with pytest.raises(SignatureInvalidError):
        channel.verify(request_, MAILGUN, NOW_MS)


def test_a_wrong_key_and_no_key_are_refused() -> None:
    for secret in ("another", None, ""):
        with pytest.raises(SignatureInvalidError):
            channel.verify(mailgun_request(mailgun_form()), replace(MAILGUN, secret=secret), NOW_MS)


def test_a_request_of_the_last_attempt_is_still_accepted() -> None:
    channel.verify(mailgun_request(mailgun_form(), timestamp=NOW_MS // 1000 - 8 * 3600), MAILGUN, NOW_MS)


def test_of_repeated_fields_the_last_is_the_signature() -> None:
    # A mail's own variables are merged in before Mailgun's fields.
    signed = mailgun_request(mailgun_form())
    merged = replace(signed, body=b"token=forged&timestamp=1&signature=00&" + signed.body)
    channel.verify(merged, MAILGUN, NOW_MS)


def test_a_token_with_another_body_is_told_from_the_providers_retry() -> None:
    first = channel.replay_key(mailgun_request(mailgun_form()))
    retry = channel.replay_key(mailgun_request(mailgun_form()))
    replay = channel.replay_key(mailgun_request(mailgun_form(body_plain="Send me the money")))
    assert first is not None
    assert replay is not None
    assert first == retry
    assert (first.token, first.digest == replay.digest) == (replay.token, False)
    assert first.expires_ms > NOW_MS + 8 * 3_600_000


def test_a_retry_with_another_boundary_is_the_same_request() -> None:
    fields: dict[str, str | bytes] = {**mailgun_form(), **mailgun_signature("t" * 50, NOW_MS // 1000)}
    files = [("attachment-1", "a.txt", "text/plain", b"abc")]
    other_files = [("attachment-1", "a.txt", "text/plain", b"abd")]
    keys = [
        channel.replay_key(multipart_request(fields, files, "one")),
        channel.replay_key(multipart_request(fields, files, "another")),
        channel.replay_key(multipart_request(fields, other_files, "one")),
    ]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_a_forwarded_mail_becomes_a_message() -> None:
    (message,) = channel.normalise(mailgun_request(mailgun_form()), MAILGUN, NOW_MS).messages
    assert message.handle == "mailto:luca.verdi@example.com"
    assert message.name == "Luca Verdi"
    assert message.text == "Dov'è il pacco?"
    assert message.subject == "Il mio ordine 4711"
    assert message.occurred_ms == NOW_MS
    assert message.email_message_id == "<CA+first@mail.example.com>"
    assert message.attributes == {"to": "sales@shop.example, other@elsewhere.example"}
    assert message.automatic is False


def test_the_same_mail_by_two_providers_is_one_message() -> None:
    (by_mailgun,) = channel.normalise(mailgun_request(mailgun_form()), MAILGUN, NOW_MS).messages
    (by_postmark,) = PostmarkChannel().normalise(postmark_request(postmark_mail()), POSTMARK, NOW_MS).messages
    assert by_mailgun.id == by_postmark.id


def test_files_of_a_multipart_form_are_attachments() -> None:
    fields: dict[str, str | bytes] = {**mailgun_form(), **mailgun_signature("t" * 50, NOW_MS // 1000)}
    request = multipart_request(fields, [("attachment-1", "così.pdf", "application/pdf", b"\r\n%PDF\x00--")])
    channel.verify(request, MAILGUN, NOW_MS)
    normalised = channel.normalise(request, MAILGUN, NOW_MS)
    (attachment,) = normalised.messages[0].attachments
    assert (attachment.name, attachment.content_type) == ("così.pdf", "application/pdf")
    assert normalised.attachments[0].data == b"\r\n%PDF\x00--"


def test_stored_attachments_are_left_to_be_fetched() -> None:
    listed = [
        {"url": "https://storage.eu.mailgun.net/v3/1", "content-type": "image/png", "name": "a.png", "size": 3},
        {"url": "javascript:x"},
        7,
    ]
    request = mailgun_request(mailgun_form(attachments=json.dumps(listed)))
    (attachment,) = channel.normalise(request, MAILGUN, NOW_MS).messages[0].attachments
    assert (attachment.remote, attachment.size_bytes) == ("https://storage.eu.mailgun.net/v3/1", 3)


def test_the_null_sender_is_a_machine() -> None:
    (message,) = channel.normalise(mailgun_request(mailgun_form(sender="<>")), MAILGUN, NOW_MS).messages
    assert message.automatic is True


def test_spam_is_marked() -> None:
    headers = json.dumps([["X-Mailgun-Sflag", "Yes"], ["Message-Id", "<a@b.example>"]])
    (message,) = channel.normalise(mailgun_request(mailgun_form(message_headers=headers)), MAILGUN, NOW_MS).messages
    assert message.attributes["spam"] == "yes"


def test_broken_headers_leave_the_fields() -> None:
    request = mailgun_request({**mailgun_form(message_headers="[[["), "Message-Id": "<CA+first@mail.example.com>"})
    (message,) = channel.normalise(request, MAILGUN, NOW_MS).messages
    assert message.email_message_id == "<CA+first@mail.example.com>"


RAW = (
    b"From: =?utf-8?q?Luc=C3=A0_Verdi?= <luca@example.com>\r\nTo: sales@shop.example\r\nSubject: =?utf-8?b?w6g=?=\r\n"
    b"Message-ID: <raw@example.com>\r\nDate: Sat, 22 Nov 2025 09:10:11 +0100\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset="iso-8859-1"\r\n\r\nDov\'\xe8?\r\n'
)


def test_a_raw_mail_is_parsed() -> None:
    fields: dict[str, str | bytes] = {
        "recipient": "sales@shop.example",
        "sender": "luca@example.com",
        "body-mime": RAW,
        **mailgun_signature("t" * 50, NOW_MS // 1000),
    }
    request = multipart_request(fields, [])
    channel.verify(request, MAILGUN, NOW_MS)
    (message,) = channel.normalise(request, MAILGUN, NOW_MS).messages
    assert (message.name, message.subject, message.text) == ("Lucà Verdi", "è", "Dov'è?")
    assert message.email_message_id == "<raw@example.com>"


def event_request(**data: Any) -> InboundRequest:
    signature = mailgun_signature("t" * 50, NOW_MS // 1000)
    return json_request(MAILGUN, {"signature": signature, "event-data": {"timestamp": 1_763_799_000.25, **data}})


def test_a_failed_delivery_is_a_bounce() -> None:
    request = event_request(
        event="failed",
        severity="permanent",
        recipient="luca@example.com",
        message={"headers": {"message-id": "msg_aaaaaaaaaaaaaaaaaaaaaaaa@shop.example"}},
        **{"delivery-status": {"code": 550, "message": "No such user"}},
    )
    channel.verify(request, MAILGUN, NOW_MS)
    assert channel.normalise(request, MAILGUN, NOW_MS).deliveries == (
        AddressBounced(
            message_id="msg_aaaaaaaaaaaaaaaaaaaaaaaa",
            at_ms=1_763_799_000_250,
            handle="mailto:luca@example.com",
            permanent=True,
            reason="No such user",
        ),
    )


def test_other_events() -> None:
    delivered = event_request(
        event="delivered", message={"headers": {"message-id": "msg_aaaaaaaaaaaaaaaaaaaaaaaa@shop.example"}}
    )
    (delivery,) = channel.normalise(delivered, MAILGUN, NOW_MS).deliveries
    assert isinstance(delivery, MessageDelivered)
    (temporary,) = channel.normalise(
        event_request(event="failed", severity="temporary", recipient="l@example.com"), MAILGUN, NOW_MS
    ).deliveries
    assert isinstance(temporary, AddressBounced)
    assert temporary.permanent is False
    (complaint,) = channel.normalise(
        event_request(event="complained", recipient="l@example.com"), MAILGUN, NOW_MS
    ).deliveries
    assert isinstance(complaint, AddressBounced)
    assert complaint.permanent is True
    assert channel.normalise(event_request(event="opened"), MAILGUN, NOW_MS).ignored == ("event:opened",)
    assert channel.normalise(event_request(event="failed"), MAILGUN, NOW_MS).problems[0].place == "event-data.recipient"


@pytest.mark.parametrize(
    ("content_type", "body", "place"),
    [
        ("application/json", b"{}", "event-data.event"),
        ("application/x-www-form-urlencoded", b"a=b", "from"),
        ("multipart/form-data", b"", "content-type"),
        ("multipart/form-data; boundary=b", b"--b\r\nbroken", "body"),
        ("text/plain", b"hello", "content-type"),
        ("application/x-www-form-urlencoded", b"a=b&" * 2000, "body"),
    ],
)
def test_what_cannot_be_read_is_malformed(content_type: str, body: bytes, place: str) -> None:
    request = InboundRequest(method="POST", url="", headers={"content-type": content_type}, body=body)
    with pytest.raises(MalformedError) as caught:
        channel.normalise(request, MAILGUN, NOW_MS)
    assert caught.value.place == place


def test_the_answers_to_mailgun() -> None:
    assert channel.answer().status == 200
    assert channel.refusal_status(RefusalKind.SIGNATURE) == 403
    assert {channel.refusal_status(kind) for kind in RefusalKind if kind is not RefusalKind.SIGNATURE} == {406}
