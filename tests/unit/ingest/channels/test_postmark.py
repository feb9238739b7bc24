"""Postmark's inbound mails and bounces, and what every mail adapter makes of a mail."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from libs.common import ids
from libs.common.events.message import Message
from libs.common.events.outbound import AddressBounced
from services.ingest.channels.email_postmark import PostmarkChannel
from services.ingest.channels.port import (
    AccountContext,
    InboundRequest,
    MalformedError,
    Normalised,
    RefusalKind,
    SignatureInvalidError,
)
from tests.unit.ingest.channels.samples import NOW_MS, POSTMARK, postmark_headers, postmark_mail, postmark_request

channel = PostmarkChannel()


def normalise(fields: Any, account: AccountContext = POSTMARK) -> Normalised:
    return channel.normalise(postmark_request(fields), account, NOW_MS)


def message_of(fields: Any, account: AccountContext = POSTMARK) -> Message:
    (message,) = normalise(fields, account).messages
    return message


def test_only_the_urls_credentials_open() -> None:
    channel.verify(postmark_request({}), POSTMARK, NOW_MS)
    right = base64.b64encode(b"hook:s3cret").decode()
    wrong = base64.b64encode(b"hook:s3creT").decode()
    for header in ("", f"Basic {wrong}", f"Bearer {right}", right, "Basic \udc80"):
        request = InboundRequest(method="POST", url="", headers={"authorization": header})
        with pytest.raises(SignatureInvalidError):
            channel.verify(request, POSTMARK, NOW_MS)
    with pytest.raises(SignatureInvalidError):
        channel.verify(
            InboundRequest(method="POST", url="", headers={"authorization": "Basic "}),
            replace(POSTMARK, secret=""),
            NOW_MS,
        )


def test_a_mail_becomes_a_message_in_its_thread() -> None:
    normalised = normalise(postmark_mail())
    (message,) = normalised.messages
    assert message.provider_id == "<CA+first@mail.example.com>"
    assert message.email_message_id == "<CA+first@mail.example.com>"
    assert message.email_references == ("<root@shop.example>", "<msg_aaaaaaaaaaaaaaaaaaaaaaaa@shop.example>")
    assert message.handle == "mailto:luca.verdi@example.com"
    assert message.handles == ("mailto:luca.verdi@example.com",)
    assert message.thread_id == ids.thread_id("support-mail", "mailto:luca.verdi@example.com")
    assert message.name == "Luca Verdi"
    assert message.subject == "Il mio ordine 4711"
    assert message.text == "Dov'è il pacco?"
    assert message.language == "it"
    assert message.occurred_ms == 1_763_799_011_000
    assert message.received_ms == NOW_MS
    assert message.automatic is False
    assert message.attributes == {"to": "support@shop.example"}
    (attachment,) = message.attachments
    assert (attachment.name, attachment.content_type, attachment.size_bytes) == ("scontrino.png", "image/png", 7)
    (content,) = normalised.attachments
    assert (content.id, content.data) == (attachment.id, b"\x89PNG...")
    assert normalised.problems == ()


def test_the_same_mail_in_two_mailboxes_is_one_message() -> None:
    other_mailbox = replace(POSTMARK, name="sales-mail", address="sales@shop.example")
    first = message_of(postmark_mail())
    second = message_of(postmark_mail(MessageID="another", OriginalRecipient="sales@shop.example"), other_mailbox)
    assert first.id == second.id


def test_mails_that_share_a_message_id_by_mistake_stay_two() -> None:
    first = message_of(postmark_mail())
    later = message_of(postmark_mail(Date="Sat, 22 Nov 2025 09:10:12 +0100"))
    of_another = message_of(postmark_mail(FromFull={"Email": "anna@example.com", "Name": ""}))
    assert len({first.id, later.id, of_another.id}) == 3


def test_a_mail_without_a_message_id_goes_by_the_providers() -> None:
    message = message_of(postmark_mail(Headers=[]))
    assert message.id == ids.message_id("support-mail", "22c74902-a0c1-4511-804f-341342852c90")
    assert message.email_message_id is None


def test_reply_to_is_who_is_answered_and_both_are_known() -> None:
    message = message_of(postmark_mail(ReplyTo="Anna Neri <Anna@Example.com>"))
    assert message.handle == "mailto:anna@example.com"
    assert message.handles == ("mailto:anna@example.com", "mailto:luca.verdi@example.com")
    assert message.name == "Anna Neri"


@pytest.mark.parametrize("reply_to", ["nonsense", "support@shop.example", "Support+x@Shop.example"])
def test_a_reply_to_that_is_none_or_our_own_is_passed_over(reply_to: str) -> None:
    assert message_of(postmark_mail(ReplyTo=reply_to)).handle == "mailto:luca.verdi@example.com"


def test_a_mail_of_html_alone_is_read_as_text() -> None:
    html = "<html><head><style>p{color:red}</style></head><body><p>Primo</p><p>Secondo &egrave;</p></body></html>"
    message = message_of(postmark_mail(TextBody="", StrippedTextReply="", HtmlBody=html))
    assert "Primo" in message.text
    assert "Secondo è" in message.text
    assert "color" not in message.text


def test_the_whole_text_counts_where_nothing_was_stripped() -> None:
    message = message_of(postmark_mail(StrippedTextReply=" \r\n "))
    assert message.text == "Dov'è il pacco?\n\n> Il 20 novembre ha scritto:\n> Spedito."


def test_a_mail_without_text_has_an_empty_one() -> None:
    assert message_of(postmark_mail(TextBody=None, StrippedTextReply=None, HtmlBody=None, Subject=None)).text == ""


@pytest.mark.parametrize(
    "header",
    [
        ("Auto-Submitted", "auto-replied"),
        ("Auto-Submitted", "auto-generated; owner=x"),
        ("Precedence", "bulk"),
        ("precedence", "Junk"),
        ("X-Autoreply", "yes"),
        ("List-Id", "<list.example.com>"),
        ("Return-Path", "<>"),
        ("X-Auto-Response-Suppress", "All"),
        ("Content-Type", 'multipart/report; report-type="disposition-notification"'),
    ],
)
def test_a_machines_mail_is_marked(header: tuple[str, str]) -> None:
    assert message_of(postmark_mail(Headers=postmark_headers(header))).automatic is True


@pytest.mark.parametrize(
    "header",
    [("Auto-Submitted", "no"), ("Precedence", "normal"), ("Return-Path", "<luca@example.com>"), ("X-Other", "")],
)
def test_a_persons_mail_is_not_marked(header: tuple[str, str]) -> None:
    assert message_of(postmark_mail(Headers=postmark_headers(header))).automatic is False


def test_mail_of_our_own_address_is_a_loop() -> None:
    normalised = normalise(postmark_mail(FromFull={"Email": "Support+tag@shop.example", "Name": ""}))
    assert normalised.messages == ()
    assert "loop" in normalised.problems[0].detail
    assert normalised.ignored == ("loop",)


def test_a_sender_without_an_address_is_a_problem_with_its_place() -> None:
    request = postmark_request(postmark_mail(FromFull={"Email": "", "Name": "Luca"}, From="Luca"))
    normalised = channel.normalise(request, POSTMARK, NOW_MS)
    assert normalised.messages == ()
    assert normalised.problems[0].place == "FromFull.Email"
    assert normalised.problems[0].raw == request.body


def test_a_comma_in_a_name_does_not_make_two_senders() -> None:
    message = message_of(postmark_mail(FromFull={"Email": "l@example.com", "Name": 'Verdi, "Luca" \\'}))
    assert message.handle == "mailto:l@example.com"
    assert message.name == 'Verdi, "Luca" \\'


def test_a_broken_attachment_does_not_lose_the_mail() -> None:
    attachments = [
        {"Name": "broken.pdf", "Content": "not base64!", "ContentType": "application/pdf"},
        {"Name": "", "Content": "YWJj\r\nZGVm", "ContentType": "Text/Plain; charset=utf-8"},
    ]
    normalised = normalise(postmark_mail(Attachments=attachments))
    (attachment,) = normalised.messages[0].attachments
    assert (attachment.name, attachment.content_type) == ("attachment", "text/plain")
    assert normalised.attachments[0].data == b"abcdef"
    assert [problem.place for problem in normalised.problems] == ["Attachments[0].Content"]


def test_very_many_attachments_are_bounded() -> None:
    attachments = [{"Name": f"{n}", "Content": base64.b64encode(b"%d" % n).decode()} for n in range(150)]
    normalised = normalise(postmark_mail(Attachments=attachments))
    assert len(normalised.messages[0].attachments) == 100
    assert normalised.problems[0].place == "Attachments[100]"


def test_the_same_file_in_two_mails_is_kept_for_each() -> None:
    first = message_of(postmark_mail()).attachments[0]
    second = message_of(postmark_mail(Date="Sat, 22 Nov 2025 10:10:11 +0100")).attachments[0]
    assert first.id != second.id


def bounce(**changes: Any) -> dict[str, Any]:
    return {
        "RecordType": "Bounce",
        "MessageStream": "outbound",
        "ID": 4323372036854775807,
        "Type": "HardBounce",
        "TypeCode": 1,
        "Name": "Hard bounce",
        "Tag": "Test",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Metadata": {},
        "ServerID": 23,
        "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        "Details": "smtp;550 5.1.1 no such user",
        "Email": "Luca@example.com",
        "From": "support@shop.example",
        "BouncedAt": "2025-11-22T08:13:31.2531423Z",
        "DumpAvailable": True,
        "Inactive": True,
        "CanActivate": True,
        "Subject": "Test subject",
        **changes,
    }


def test_a_hard_bounce_says_that_the_address_is_gone() -> None:
    (delivery,) = normalise(bounce()).deliveries
    assert delivery == AddressBounced(
        message_id="",
        at_ms=1_763_799_211_253,
        handle="mailto:luca@example.com",
        permanent=True,
        reason="HardBounce: smtp;550 5.1.1 no such user",
    )


@pytest.mark.parametrize(
    ("changes", "permanent"),
    [
        ({"Type": "SoftBounce", "Inactive": False}, False),
        ({"Type": "Transient", "Inactive": False}, False),
        ({"Type": "BadEmailAddress", "Inactive": False}, True),
        ({"RecordType": "SpamComplaint", "Type": "SpamComplaint", "Inactive": False}, True),
        ({"RecordType": None}, True),
    ],
)
def test_other_bounces(changes: dict[str, Any], permanent: bool) -> None:
    normalised = normalise(bounce(**changes))
    assert normalised.messages == ()
    (delivery,) = normalised.deliveries
    assert isinstance(delivery, AddressBounced)
    assert delivery.permanent is permanent


def test_a_suppression_is_a_permanent_bounce_and_its_end_is_none() -> None:
    change = {
        "RecordType": "SubscriptionChange",
        "Recipient": "luca@example.com",
        "SuppressSending": True,
        "SuppressionReason": "ManualSuppression",
        "ChangedAt": "2025-11-22T08:13:31Z",
    }
    (delivery,) = normalise(change).deliveries
    assert isinstance(delivery, AddressBounced)
    assert (delivery.permanent, delivery.at_ms) == (True, 1_763_799_211_000)
    assert normalise({**change, "SuppressSending": False}).deliveries == ()


@pytest.mark.parametrize("record", [{"RecordType": "Open"}, {"RecordType": "Delivery"}, bounce(Type="AutoResponder")])
def test_other_records_are_ignored(record: dict[str, Any]) -> None:
    normalised = normalise(record)
    assert (normalised.messages, normalised.deliveries, normalised.problems) == ((), (), ())
    assert len(normalised.ignored) == 1


def test_a_bounce_without_an_address_is_a_problem() -> None:
    assert normalise(bounce(Email="")).problems[0].place == "Email"


DELIVERY_STATUS = """Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; Luca@Example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1
 no such user
"""


def report(status: str, returned: str = "Message-ID: <msg_aaaaaaaaaaaaaaaaaaaaaaaa@shop.example>\n") -> dict[str, Any]:
    def attachment(content_type: str, text: str) -> dict[str, str]:
        return {"Name": "x", "ContentType": content_type, "Content": base64.b64encode(text.encode()).decode()}

    return postmark_mail(
        FromFull={"Email": "mailer-daemon@example.com", "Name": "Mail Delivery System"},
        Headers=postmark_headers(("Content-Type", 'multipart/report; report-type="delivery-status"; boundary="b"')),
        Attachments=[attachment("message/delivery-status", status), attachment("text/rfc822-headers", returned)],
    )


def test_a_mail_systems_report_is_a_bounce_and_no_message() -> None:
    normalised = normalise(report(DELIVERY_STATUS))
    assert normalised.messages == ()
    assert normalised.deliveries == (
        AddressBounced(
            message_id="msg_aaaaaaaaaaaaaaaaaaaaaaaa",
            at_ms=NOW_MS,
            handle="mailto:luca@example.com",
            permanent=True,
            reason="550 5.1.1 no such user",
        ),
    )


def test_a_passing_failure_is_not_permanent_and_a_delay_is_none() -> None:
    (passing,) = normalise(report(DELIVERY_STATUS.replace("5.1.1", "4.2.2"), "Message-ID: <x@y>\n")).deliveries
    assert isinstance(passing, AddressBounced)
    assert (passing.permanent, passing.message_id) == (False, "")
    delayed = normalise(report(DELIVERY_STATUS.replace("failed", "delayed")))
    assert (delayed.deliveries, delayed.messages, delayed.ignored) == ((), (), ("report:delayed",))


def test_a_report_that_says_nothing_stays_a_machines_message() -> None:
    message = message_of(report("garbage", "garbage"))
    assert message.automatic is True


@pytest.mark.parametrize(
    ("body", "place"), [(b"", "body"), (b"[]", "body"), (b"\xff", "body"), (b"{}", "From"), (b"[" * 100_000, "body")]
)
def test_what_cannot_be_read_is_malformed(body: bytes, place: str) -> None:
    with pytest.raises(MalformedError) as caught:
        channel.normalise(InboundRequest(method="POST", url="", body=body), POSTMARK, NOW_MS)
    assert caught.value.place == place


def test_the_answers_to_postmark() -> None:
    assert channel.answer().status == 200
    # 403 makes Postmark drop the mail: only wrong credentials get it.
    assert channel.refusal_status(RefusalKind.SIGNATURE) == 403
    assert channel.refusal_status(RefusalKind.MALFORMED) == 400
