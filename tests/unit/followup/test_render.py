"""Mails as they go out."""

from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from libs.common.events.followup import MailKind
from services.followup.render import Letter, Renderer

LETTER = Letter(
    effect_id="fup_1",
    kind=MailKind.FOLLOW_UP,
    language="it",
    sender="Negozio Città <care@shop.example>",
    reply_to="help@shop.example",
    to_address="luca@example.com",
    to_name="Luca Però",
    subject="Ordine 4711",
    agent_name="Anna Bianchi",
    sent_ms=1_767_225_600_000,
    in_reply_to="<b@example.com>",
    references=("<a@example.com>",),
)


def rendered(letter: Letter):
    """What a mail program sees of it."""
    return message_from_bytes(Renderer().render(letter), policy=policy.default)


def test_the_follow_up_names_agent_and_subject_in_text_and_html() -> None:
    mail = rendered(LETTER)
    for kind in ("plain", "html"):
        body = mail.get_body((kind,)).get_content()
        assert "Anna Bianchi" in body
        assert "Ordine 4711" in body
        assert "Luca Però" in body


def test_the_headers_keep_the_thread_and_keep_machines_quiet() -> None:
    mail = rendered(LETTER)
    assert mail["Message-ID"] == "<fup_1@shop.example>"
    assert mail["In-Reply-To"] == "<b@example.com>"
    assert mail["References"] == "<a@example.com> <b@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == "Re: Ordine 4711"
    assert mail["Reply-To"] == "help@shop.example"
    assert mail["From"].addresses[0].display_name == "Negozio Città"
    assert mail["Date"].datetime.isoformat() == "2026-01-01T00:00:00+00:00"


def test_a_long_message_id_stays_one_that_mail_programs_know() -> None:
    long_id = f"<{'a' * 120}@eurprd08.prod.outlook.example>"
    raw = Renderer().render(replace(LETTER, in_reply_to=long_id))
    assert f"In-Reply-To: {long_id}\r\n".encode() in raw


def test_without_a_thread_the_subject_says_what_the_mail_is() -> None:
    mail = rendered(replace(LETTER, in_reply_to=None, references=(), language="en"))
    assert mail["Subject"] == "Has your request been solved?"
    assert mail["In-Reply-To"] is None


@pytest.mark.parametrize(
    ("within_ms", "language", "said"),
    [
        (3_600_000, "it", "1 ora"),
        (3_600_000, "en", "1 hour"),
        (60_000, "it", "1 minuto"),
        (90 * 60_000, "en", "90 minutes"),
        (1, "en", "1 minute"),
        (7_200_001, "en", "3 hours"),
        (900_001, "it", "16 minuti"),
        (3 * 86_400_000, "it", "3 giorni"),
    ],
)
def test_the_acknowledgement_says_how_long_and_never_less_than_promised(within_ms, language, said) -> None:
    letter = replace(LETTER, kind=MailKind.ACKNOWLEDGEMENT, language=language, answer_within_ms=within_ms)
    mail = rendered(letter)
    assert mail["Auto-Submitted"] == "auto-replied"
    assert said in mail.get_body(("plain",)).get_content().replace("\n", " ")
    assert said in mail.get_body(("html",)).get_content()


def test_what_a_customer_wrote_cannot_become_html_or_headers() -> None:
    mail = rendered(
        replace(
            LETTER, subject="<script>alert(1)</script>\r\nBcc: all@example.com", to_name='"><img src=x>\r\nX-Evil: 1'
        )
    )
    html = mail.get_body(("html",)).get_content()
    assert "<script>" not in html
    assert "<img" not in html
    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None
    assert mail["To"].addresses[0].addr_spec == "luca@example.com"


@pytest.mark.parametrize("language", ["it", "en"])
@pytest.mark.parametrize("kind", list(MailKind))
def test_a_mail_without_names_reads_well(kind: MailKind, language: str) -> None:
    letter = replace(
        LETTER, kind=kind, language=language, to_name=None, agent_name=None, subject=None, in_reply_to=None
    )
    for part in ("plain", "html"):
        body = rendered(letter).get_body((part,)).get_content()
        assert "None" not in body
        assert {"it": "Buongiorno", "en": "Hello"}[language] in body


MONDAY_MS = 1_791_183_600_000  # 2026-10-05 09:00 in Rome.


@pytest.mark.parametrize(
    ("language", "fields", "said"),
    [
        ("it", {"opens_ms": MONDAY_MS}, "siamo chiusi e riapriamo lunedì 5 ottobre alle 09:00."),
        (
            "it",
            {"opens_ms": MONDAY_MS, "answer_within_ms": 3_600_000},
            "riapriamo lunedì 5 ottobre alle 09:00; ti risponderemo entro 1 ora dalla riapertura.",
        ),
        ("it", {"answer_by_ms": MONDAY_MS}, "ti risponderemo entro lunedì 5 ottobre alle 09:00."),
        ("en", {"opens_ms": MONDAY_MS}, "We are closed now and open again on Monday 5 October at 09:00."),
        (
            "en",
            {"opens_ms": MONDAY_MS, "answer_within_ms": 1_800_000},
            "open again on Monday 5 October at 09:00; we will answer within 30 minutes from then.",
        ),
        ("en", {"answer_by_ms": MONDAY_MS}, "will answer by Monday 5 October at 09:00."),
    ],
)
def test_the_acknowledgement_says_when_the_firm_opens_again(language, fields, said) -> None:
    letter = replace(
        LETTER, kind=MailKind.ACKNOWLEDGEMENT, language=language, timezone="Europe/Rome", subject=None, **fields
    )
    plain = rendered(letter).get_body(("plain",)).get_content()
    html = rendered(letter).get_body(("html",)).get_content()
    assert said in " ".join(plain.split())
    assert said in html.replace("<strong>", "").replace("</strong>", "")
