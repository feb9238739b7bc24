"""Mails as they go out: text and HTML in the customer's language, with the headers that keep them in the customer's own thread and
keep machines from answering. Pure but for the templates, which are read once.

`Auto-Submitted` follows RFC 3834; `Message-ID` comes from the effect's id, so that the same mail sent again is the same mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from libs.common.events.followup import MailKind
from libs.common.mail_writer import address_header, ids_header, text_header, write_mail
from services.followup.say import say_duration, say_point, say_wait

TEMPLATES: Final = Path(__file__).parent / "templates"
_REFERENCES_MAX: Final = 20
_SUBJECT_MAX: Final = 150

_SUBJECTS: Final = {
    (MailKind.ACKNOWLEDGEMENT, "it"): "Abbiamo ricevuto la tua richiesta",
    (MailKind.ACKNOWLEDGEMENT, "en"): "We have received your request",
    (MailKind.FOLLOW_UP, "it"): "La tua richiesta è stata risolta?",
    (MailKind.FOLLOW_UP, "en"): "Has your request been solved?",
}
_AUTO_SUBMITTED: Final = {
    MailKind.ACKNOWLEDGEMENT: "auto-replied",
    MailKind.FOLLOW_UP: "auto-generated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """All that a mail says. `sender` and `reply_to` as configured (`Shop <care@shop.example>`); `agent_name`: of a follow-up, who answered.

    Of an acknowledgement: `answer_within_ms`, how long the answer will take, or `answer_by_ms`, when it will be there; `opens_ms`, when
    the firm, which is closed, opens again; `position` and `expected_wait_ms`, its place in the queue and how long that takes.
    Points in time are said on the clock of `timezone`.
    """

    effect_id: str
    kind: MailKind
    language: str
    sender: str
    to_address: str
    to_name: str | None
    subject: str | None
    sent_ms: int
    reply_to: str | None = None
    agent_name: str | None = None
    answer_within_ms: int | None = None
    answer_by_ms: int | None = None
    opens_ms: int | None = None
    timezone: str = "UTC"
    position: int | None = None
    expected_wait_ms: int | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()


class Renderer:
    """Makes letters into mails."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates = {name: environment.get_template(name) for name in environment.list_templates()}

    def render(self, letter: Letter) -> bytes:
        """The mail of a letter, as it goes over the wire. Raises ValueError or MessageError for an address that cannot be written to."""
        name, address = split_address(letter.sender)
        headers = [
            ("From", address_header(name, address)),
            ("To", address_header(letter.to_name or "", letter.to_address)),
        ]
        if letter.reply_to:
            headers.append(("Reply-To", address_header(*split_address(letter.reply_to))))
        headers += [
            ("Subject", text_header(_subject(letter))),
            ("Date", format_datetime(datetime.fromtimestamp(letter.sent_ms / 1000, UTC))),
            ("Message-ID", message_id(letter.effect_id, letter.sender)),
        ]
        if letter.in_reply_to:
            answered = _bracketed(letter.in_reply_to)
            chain = dict.fromkeys((*map(_bracketed, letter.references), answered))
            for header, value in (
                ("In-Reply-To", ids_header([answered])),
                ("References", ids_header([*chain][-_REFERENCES_MAX:])),
            ):
                if value:
                    headers.append((header, value))
        headers += [
            ("Auto-Submitted", _AUTO_SUBMITTED[letter.kind]),
            # Exchange knows no Auto-Submitted and would answer with "out of office".
            ("X-Auto-Response-Suppress", "All"),
        ]
        words = {
            "name": letter.to_name,
            "agent": letter.agent_name,
            "subject": letter.subject,
            "firm": name or address,
            "within": say_duration(letter.answer_within_ms, letter.language),
            "by": _point(letter.answer_by_ms, letter),
            "position": letter.position,
            "wait": None if letter.expected_wait_ms is None else say_wait(letter.expected_wait_ms, letter.language),
            "opens": _point(letter.opens_ms, letter),
            "language": letter.language,
        }
        stem = f"{letter.kind.value}.{letter.language}"
        return write_mail(
            headers,
            self._templates[f"{stem}.txt"].render(words),
            self._templates[f"{stem}.html"].render(words),
            boundary=letter.effect_id,
        )


@lru_cache(maxsize=64)
def split_address(configured: str) -> tuple[str, str]:
    """Name and plain address of what is configured (`Shop <care@shop.example>`)."""
    return parseaddr(configured)


def message_id(effect_id: str, sender: str) -> str:
    """`<effect@domain of the sender>`: the same for every attempt."""
    return f"<{effect_id}@{split_address(sender)[1].rpartition('@')[2] or 'localhost'}>"


def _subject(letter: Letter) -> str:
    if letter.in_reply_to and letter.subject:
        # In the customer's own thread: many mail programs group by the subject.
        subject = " ".join(letter.subject.split())
        return subject if subject.lower().startswith("re:") else f"Re: {subject}"[:_SUBJECT_MAX]
    return _SUBJECTS[letter.kind, letter.language]


def _bracketed(text: str) -> str:
    bare = "".join(text.split()).strip("<>")
    return f"<{bare}>"


def _point(at_ms: int | None, letter: Letter) -> str | None:
    return None if at_ms is None else say_point(at_ms, letter.language, letter.timezone)
