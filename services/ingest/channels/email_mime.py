"""A raw mail (RFC 5322 with MIME) read into a `Mail`, however badly it is made.

Pure. The standard library's older policy (`compat32`) does the parsing, because it keeps what is malformed instead of raising.
"""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from typing import Final

from services.ingest.channels.email_headers import MailHeaders, decode_words, parse_addresses
from services.ingest.channels.email_mail import Mail, MailFile
from services.ingest.channels.port import MalformedError
from services.ingest.channels.text import decode_text

PARTS_MAX: Final = 500

MimePart = Message  # Of text headers; generic for the type checker alone.


def parse_mail(
    raw: bytes, place: str, *, envelope_sender: str | None = None, occurred_ms: int | None = None, provider_id: str = ""
) -> Mail:
    """The mail in the bytes. Raises MalformedError with `place` where its parts are nested beyond reading."""
    try:
        root = message_from_bytes(raw)
        leaves = _leaves(root)
    except RecursionError as error:
        raise MalformedError(place, "parts within parts beyond any reading") from error
    headers = MailHeaders(_header_pairs(root))
    text, html, files = _sort(leaves, place)
    recipients = [one.address for name in ("to", "cc") for one in parse_addresses(headers.get(name))]
    return Mail(
        headers=headers,
        sender=headers.get("from") or "",
        sender_place=f"{place}: From",
        provider_id=provider_id,
        recipients=tuple(dict.fromkeys(recipients)),
        subject=decode_words(headers.get("subject") or ""),
        text=text,
        html=html,
        files=files,
        envelope_sender=envelope_sender,
        occurred_ms=occurred_ms,
        raw=raw,
    )


def _header_pairs(part: MimePart) -> list[tuple[str, str]]:
    # Headers with raw 8-bit characters come with each byte as a surrogate; most of them are UTF-8.
    return [
        (str(name), decode_text(str(value).encode("utf-8", "surrogateescape"), "utf-8"))
        for name, value in part.raw_items()
    ]


def _leaves(root: MimePart) -> list[MimePart]:
    """The parts that hold something, in their order. A mail within the mail is one part: it is an attachment."""
    leaves: list[MimePart] = []
    waiting: list[MimePart] = [root]
    while waiting and len(leaves) < PARTS_MAX:
        part = waiting.pop()
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            waiting.extend(reversed(_children(part)))
        else:
            leaves.append(part)
    return leaves


def _sort(leaves: list[MimePart], place: str) -> tuple[str | None, str | None, tuple[MailFile, ...]]:
    texts, htmls, files = [], [], []
    for number, part in enumerate(leaves):
        content_type = part.get_content_type()
        name = _file_name(part)
        attached = _disposition(part) == "attachment" or bool(name)
        if content_type == "text/plain" and not attached:
            texts.append(decode_text(_content(part), _charset(part)))
        elif content_type == "text/html" and not attached:
            htmls.append(decode_text(_content(part), _charset(part)))
        else:
            files.append(
                MailFile(
                    place=f"{place}: part {number + 1}",
                    name=name or content_type.replace("/", "."),
                    content_type=content_type,
                    data=_content(part),
                )
            )
    return "\n".join(texts) or None, "\n".join(htmls) or None, tuple(files)


def _content(part: MimePart) -> bytes:
    if part.is_multipart():
        # message/rfc822 and message/delivery-status hold messages; what matters is their text.
        return b"\r\n".join(_as_bytes(child) for child in _children(part))
    try:
        content = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        content = None
    return content if isinstance(content, bytes) else b""


def _children(part: MimePart) -> list[MimePart]:
    # Asked only of parts that have some: of others the library would decode the text, and can fail at that.
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _as_bytes(message: MimePart) -> bytes:
    try:
        return message.as_bytes()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # What the generator cannot write again is written without its body: the headers say what it was.
        return "".join(f"{name}: {value}\r\n" for name, value in _header_pairs(message)).encode("utf-8", "replace")


def _charset(part: MimePart) -> str | None:
    try:
        return part.get_content_charset()
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _file_name(part: MimePart) -> str:
    try:
        return decode_words(part.get_filename() or "")
    except (ValueError, LookupError, TypeError, AttributeError):
        return "attachment"


def _disposition(part: MimePart) -> str:
    try:
        return part.get_content_disposition() or ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
