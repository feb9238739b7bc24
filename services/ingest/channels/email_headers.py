"""Reading the headers of mail from anybody: addresses, ids, dates, and whether a machine wrote it.

Pure, and never fails: what cannot be read is not there. The mail adapters call it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

from services.ingest.channels.handles import mail_address
from services.ingest.channels.text import clean_line, decode_text

_HEADER_CHARS_MAX: Final = 20_000
_ADDRESSES_MAX: Final = 100
_REFERENCES_MAX: Final = 50
_TIME_MS_MAX: Final = 253_402_300_799_000  # The last second of the year 9999.

_MESSAGE_ID = re.compile(r"<[^<>\s\x00-\x20\x7f]{1,900}>")
_BARE_ID = re.compile(r"[^<>\s@\x00-\x20\x7f]{1,450}@[^<>\s@\x00-\x20\x7f]{1,450}")
# The ids that this system gives to what it sends (see `libs.common.ids`), before the @ of a Message-ID.
_OWN_ID = re.compile(r"<?([a-z]{2,10}_[a-z2-7]{24})@[^<>\s]+>?")
_MACHINE_PRECEDENCE: Final = frozenset({"bulk", "junk", "list", "auto_reply"})
_MACHINE_HEADERS: Final = ("list-id", "x-autoreply", "x-autorespond", "x-autorespond-by", "x-failed-recipients")
_MACHINE_NAMES: Final = frozenset({"mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply"})


class MailHeaders:
    """A mail's headers: names without case, in their order, the first of a name counts. Values are unfolded, not yet decoded."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            unfolded = " ".join(value[:_HEADER_CHARS_MAX].split())
            self._values.setdefault(name.strip().lower(), []).append(unfolded)

    def get(self, name: str) -> str | None:
        """The first header of that name; None where there is none. An empty one is an empty text."""
        values = self._values.get(name)
        return values[0] if values else None

    def __contains__(self, name: str) -> bool:
        return name in self._values


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAddress:
    """Somebody in a From, To or Reply-To header. `address` is in lower case."""

    address: str
    name: str | None = None


def decode_words(text: str) -> str:
    """A header's text with its encoded words (RFC 2047) decoded; what is badly encoded stays as it is."""
    if "=?" not in text:
        return clean_line(text)
    try:
        parts = decode_header(text[:_HEADER_CHARS_MAX])
    except (HeaderParseError, binascii.Error, ValueError):
        return clean_line(text)
    return clean_line("".join(part if isinstance(part, str) else decode_text(part, charset) for part, charset in parts))


def parse_addresses(text: str | None) -> tuple[MailAddress, ...]:
    """The well-formed addresses of a header, with display names decoded."""
    if not text:
        return ()
    try:
        pairs = getaddresses([text[:_HEADER_CHARS_MAX]])
    except (ValueError, IndexError, TypeError):
        # The standard library's parser has stumbled over malformed groups and comments before.
        return ()
    found = []
    for name, address in pairs[:_ADDRESSES_MAX]:
        wellformed = mail_address(address)
        if wellformed is not None:
            found.append(MailAddress(address=wellformed, name=decode_words(name) or None))
    return tuple(found)


def parse_message_id(text: str | None) -> str | None:
    """The Message-ID with its angle brackets, which some senders leave out."""
    found = _MESSAGE_ID.search(text or "")
    if found is not None:
        return clean_line(found.group())
    bare = (text or "").strip()
    return f"<{clean_line(bare)}>" if _BARE_ID.fullmatch(bare) else None


def parse_references(headers: MailHeaders) -> tuple[str, ...]:
    """The mails that this one answers, oldest first: References, then In-Reply-To. Of very many, the first and the last ones."""
    texts = (headers.get("references"), headers.get("in-reply-to"))
    ids = list(dict.fromkeys(clean_line(found) for text in texts for found in _MESSAGE_ID.findall(text or "")))
    if len(ids) > _REFERENCES_MAX:
        ids = [ids[0], *ids[1 - _REFERENCES_MAX :]]
    return tuple(ids)


def own_id(message_id: str | None) -> str | None:
    """The id of our own message (`msg_...`) in a Message-ID that we made; None where it is somebody else's."""
    found = _OWN_ID.fullmatch(message_id or "")
    return None if found is None else found.group(1)


def parse_date_ms(text: str | None) -> int | None:
    """A Date header's time in milliseconds; one without a zone is taken as UTC."""
    try:
        parsed = parsedate_to_datetime((text or "")[:200])
        time_ms = int(parsed.timestamp() * 1000)
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
    return time_ms if 0 <= time_ms <= _TIME_MS_MAX else None


def is_report(headers: MailHeaders) -> bool:
    """Whether the mail is a report of a mail system (RFC 6522): a bounce, a delay, a receipt."""
    return (headers.get("content-type") or "").lower().startswith("multipart/report")


def is_automatic(headers: MailHeaders, sender: str, envelope_sender: str | None) -> bool:
    """Whether a machine wrote the mail (RFC 3834, and what was used before it), so that no machine may answer it.

    `envelope_sender`: None where unknown, empty for the null sender that bounces have.
    """
    submitted = (headers.get("auto-submitted") or "no").partition(";")[0].strip().lower()
    return_path = headers.get("return-path")
    return (
        submitted != "no"
        or (headers.get("precedence") or "").lower() in _MACHINE_PRECEDENCE
        or any(name in headers for name in _MACHINE_HEADERS)
        or (headers.get("x-auto-response-suppress") or "none").lower() != "none"
        or envelope_sender == ""
        or (return_path is not None and return_path.strip("<> ") == "")
        or is_report(headers)
        or sender.partition("@")[0] in _MACHINE_NAMES
    )
