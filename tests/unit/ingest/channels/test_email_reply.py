"""Replies as mails that other mail programs understand."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest

from libs.common.events.message import Attachment
from libs.common.events.outbound import ReplyRequested
from services.ingest.channels.email_reply import build_reply
from tests.unit.ingest.channels.samples import MAILGUN, NOW_MS, POSTMARK

# As long as Exchange's, longer than a line.
LONG_ID = "<" + "AM0PR08MB1234567890" * 6 + "@eurprd08.prod.outlook.example>"


def a_reply(**changes: Any) -> ReplyRequested:
    fields: dict[str, Any] = {
        "message_id": "msg_" + "a" * 24,
        "contact_id": "con_1",
        "thread_id": "thr_1",
        "pool": "care",
        "account": "support-mail",
        "channel": "email",
        "handle": "mailto:luca@example.com",
        "agent_id": "anna",
        "requested_ms": NOW_MS,
        "text": "Perché <no>?\n\nUn saluto",
        "name": "Lucà, Verdi",
        "subject": "Ordine n. 4711 è qui",
        "email_in_reply_to": LONG_ID,
        "email_references": ("<root@shop.example>", LONG_ID),
    }
    return ReplyRequested(**{**fields, **changes})


def sent(message: bytes) -> EmailMessage:
    """The mail as whoever gets it reads it."""
    parsed = message_from_bytes(message, policy=SMTP)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_a_reply_stands_in_the_customers_thread() -> None:
    mail = sent(build_reply(a_reply(), POSTMARK, []))
    assert mail["From"] == "Shop <support@shop.example>"
    assert mail["To"] == '"Lucà, Verdi" <luca@example.com>'
    assert mail["Subject"] == "Re: Ordine n. 4711 è qui"
    assert mail["Message-ID"] == f"<msg_{'a' * 24}@shop.example>"
    assert mail["Date"] == "Sat, 22 Nov 2025 08:26:40 +0000"
    assert mail["Auto-Submitted"] is None
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == "Perché <no>?\n\nUn saluto\n"
    assert "<p>Perché &lt;no&gt;?</p>" in html.get_content()


def test_long_message_ids_stay_whole_on_the_wire() -> None:
    wire = build_reply(a_reply(), POSTMARK, []).decode()
    assert f"In-Reply-To: {LONG_ID}\r\n" in wire
    assert f"References: <root@shop.example>\r\n {LONG_ID}\r\n" in wire


def test_every_attempt_has_the_same_headers() -> None:
    first, second = (sent(build_reply(a_reply(), POSTMARK, [])) for _ in range(2))
    names = ("Message-ID", "Date", "Subject", "From", "To", "References", "In-Reply-To")
    assert [first[name] for name in names] == [second[name] for name in names]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [("Re: ciao", "Re: ciao"), ("RE: ciao", "RE: ciao"), (None, "Re:"), ("a\r\nBcc: x@y.it", "Re: a Bcc: x@y.it")],
)
def test_the_subject_has_one_re_and_one_line(subject: str | None, expected: str) -> None:
    mail = sent(build_reply(a_reply(subject=subject), POSTMARK, []))
    assert mail["Subject"] == expected
    assert mail["Bcc"] is None


def test_references_are_bounded_and_keep_the_first() -> None:
    references = tuple(f"<{number}@example.com>" for number in range(100))
    mail = sent(build_reply(a_reply(email_references=references, email_in_reply_to=None), POSTMARK, []))
    kept = mail["References"].split()
    assert (len(kept), kept[0], kept[-1]) == (20, "<0@example.com>", "<99@example.com>")
    assert mail["In-Reply-To"] is None


def test_ids_that_are_none_are_left_out() -> None:
    mail = sent(
        build_reply(a_reply(email_in_reply_to="x\r\nBcc: y", email_references=("bad", "<a\nb@c>")), POSTMARK, [])
    )
    assert (mail["In-Reply-To"], mail["References"], mail["Bcc"]) == (None, None, None)


def test_the_accounts_own_name_stands_where_none_is_configured() -> None:
    mail = sent(build_reply(a_reply(), MAILGUN, []))
    assert mail["From"] == "Sales <sales@shop.example>"
    bare = replace(MAILGUN, address="sales@shop.example")
    assert sent(build_reply(a_reply(name=None), bare, []))["From"] == "sales@shop.example"


def test_files_go_with_it() -> None:
    files = [
        (Attachment(id="att_1", name="così.pdf", content_type="application/pdf"), b"%PDF\x00"),
        (Attachment(id="att_2", name="mail.eml", content_type="message/rfc822"), b"From: x"),
        (Attachment(id="att_3", name="a\r\nb", content_type="weird"), b"?"),
    ]
    attached = list(sent(build_reply(a_reply(), POSTMARK, files)).iter_attachments())
    assert [(one.get_filename(), one.get_content_type(), one.get_content()) for one in attached] == [
        ("così.pdf", "application/pdf", b"%PDF\x00"),
        ("mail.eml", "application/octet-stream", b"From: x"),
        ("a b", "application/octet-stream", b"?"),
    ]


def test_what_nobody_wrote_says_so_that_no_machine_answers_it() -> None:
    mail = sent(build_reply(a_reply(automatic=True, agent_id=""), POSTMARK, []))
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Auto-Response-Suppress"] == "All"
