"""Raw mails, well and badly made."""

from __future__ import annotations

import pytest

from libs.common.events.message import Message
from libs.common.events.outbound import AddressBounced
from services.ingest.channels.email_mail import normalise_mail
from services.ingest.channels.email_mime import parse_mail
from services.ingest.channels.port import MalformedError, Normalised
from tests.unit.ingest.channels.samples import NOW_MS, POSTMARK

HEAD = b"From: Luca <luca@example.com>\r\nTo: support@shop.example\r\nMessage-ID: <raw@example.com>\r\nMIME-Version: 1.0\r\n"


def normalise(raw: bytes) -> Normalised:
    return normalise_mail(parse_mail(raw, "mail"), POSTMARK, NOW_MS)


def message_of(raw: bytes) -> Message:
    (message,) = normalise(raw).messages
    return message


def test_the_plain_alternative_is_the_text_and_the_rest_are_files() -> None:
    raw = HEAD + (
        b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"
        b"--a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nDov'=C3=A8?\r\n"
        b"--a\r\nContent-Type: text/html\r\n\r\n<p>HTML</p>\r\n--a--\r\n"
        b"--m\r\nContent-Type: application/pdf; name*=utf-8''cos%C3%AC.pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment\r\n\r\nJVBERg==\r\n"
        b"--m\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename=note.txt\r\n\r\nnota\r\n--m--\r\n"
    )
    normalised = normalise(raw)
    (message,) = normalised.messages
    assert message.text == "Dov'è?"
    assert [(one.name, one.content_type) for one in message.attachments] == [
        ("così.pdf", "application/pdf"),
        ("note.txt", "text/plain"),
    ]
    assert [one.data for one in normalised.attachments] == [b"%PDF", b"nota"]


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        (b"utf-8", "perché".encode("latin-1")),
        (b"no-such-charset", "perché".encode()),
        (b"base64", "perché".encode()),
        (b"us-ascii", "perché".encode("cp1252")),
        (b'"utf-8\x00"', "perché".encode()),
        (b"", "perché".encode()),
    ],
)
def test_a_wrong_charset_loses_no_text(charset: bytes, body: bytes) -> None:
    raw = HEAD + b"Content-Type: text/plain; charset=" + charset + b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body
    assert message_of(raw).text == "perché"


def test_unencoded_headers_are_read_as_utf_8() -> None:
    raw = "From: Lucà <luca@example.com>\r\nSubject: perché\r\nMessage-ID: <raw@example.com>\r\n\r\nx".encode()
    message = message_of(raw)
    assert (message.name, message.subject) == ("Lucà", "perché")


def test_a_forwarded_mail_is_a_file() -> None:
    raw = HEAD + (
        b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\nvedi\r\n"
        b"--m\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\nSubject: inner\r\n\r\ninner text\r\n--m--\r\n"
    )
    normalised = normalise(raw)
    assert normalised.messages[0].text == "vedi"
    assert normalised.messages[0].attachments[0].content_type == "message/rfc822"
    assert b"inner text" in normalised.attachments[0].data


def test_a_raw_report_is_a_bounce() -> None:
    raw = (
        b"From: MAILER-DAEMON@example.com\r\nTo: support@shop.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=r\r\n\r\n"
        b"--r\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        b"--r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n"
        b"Final-Recipient: rfc822; luca@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        b"Final-Recipient: rfc822; anna@example.com\r\nAction: failed\r\nStatus: 4.4.7\r\n"
        b"--r\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <msg_aaaaaaaaaaaaaaaaaaaaaaaa@shop.example>\r\n\r\nx\r\n--r--\r\n"
    )
    bounces = normalise(raw).deliveries
    assert [(one.handle, one.permanent, one.message_id) for one in bounces if isinstance(one, AddressBounced)] == [
        ("mailto:luca@example.com", True, "msg_aaaaaaaaaaaaaaaaaaaaaaaa"),
        ("mailto:anna@example.com", False, "msg_aaaaaaaaaaaaaaaaaaaaaaaa"),
    ]


def test_failed_recipients_of_the_older_kind_of_report() -> None:
    raw = b"From: Mailer-Daemon@example.com\r\nX-Failed-Recipients: luca@example.com\r\n\r\nA message could not be delivered."
    (bounce,) = normalise(raw).deliveries
    assert isinstance(bounce, AddressBounced)
    assert (bounce.handle, bounce.permanent) == ("mailto:luca@example.com", False)


def test_parts_within_parts_beyond_reading_are_malformed() -> None:
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth) for depth in range(3000)
    )
    with pytest.raises(MalformedError) as caught:
        normalise(HEAD + nested)
    assert caught.value.place == "mail"


def test_an_empty_mail_is_a_problem() -> None:
    assert normalise(b"").problems[0].place == "mail: From"
