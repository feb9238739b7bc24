"""Mail systems' reports of mail that came back (RFC 3464), read for who cannot be reached and whether for good.

Pure, and never fails. The mail adapters call it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from libs.common.events.outbound import AddressBounced
from services.ingest.channels.email_headers import MailHeaders, own_id, parse_message_id
from services.ingest.channels.handles import mail_handle
from services.ingest.channels.text import clean_line, decode_text

STATUS_TYPES: Final = ("message/delivery-status", "message/global-delivery-status")
RETURNED_TYPES: Final = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
_RECIPIENTS_MAX: Final = 100
_REPORT_BYTES_MAX: Final = 200_000
_REASON_CHARS_MAX: Final = 300

_FOLDED = re.compile(r"\r?\n[ \t]+")
_BLANK = re.compile(r"\r?\n[ \t]*\r?\n")
_FIELD = re.compile(r"^([A-Za-z0-9-]{1,100})[ \t]*:(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report says: who was not reached, and other words about recipients (`delayed`, `delivered`) that need no action."""

    bounces: tuple[AddressBounced, ...] = ()
    other: tuple[str, ...] = ()


def read_report(parts: Sequence[tuple[str, bytes]], headers: MailHeaders, now_ms: int) -> Report:
    """The report in a mail's parts (content type in lower case, bytes). Empty where no part says whom it is about.

    Without a part for machines, the `X-Failed-Recipients` header of some mail servers is taken, as a passing failure.
    """
    message_id = _returned_id(parts) or ""
    bounces: dict[str, AddressBounced] = {}
    other = []
    for content_type, data in parts:
        if content_type not in STATUS_TYPES:
            continue
        for block in _blocks(data):
            handle = mail_handle(
                (block.get("final-recipient") or block.get("original-recipient") or "").rpartition(";")[2]
            )
            action = block.get("action", "").lower()
            if handle is None:
                continue
            if action != "failed":
                other.append(
                    f"report:{action}" if action in ("delayed", "delivered", "relayed", "expanded") else "report"
                )
                continue
            status = block.get("status", "")
            diagnostic = block.get("diagnostic-code", "").partition(";")[2].strip() or f"status {status or 'unknown'}"
            bounces[handle] = AddressBounced(
                message_id=message_id,
                at_ms=now_ms,
                handle=handle,
                permanent=status.startswith("5"),
                reason=clean_line(diagnostic, _REASON_CHARS_MAX),
            )
    if not bounces and not other:
        for address in (headers.get("x-failed-recipients") or "").split(",")[:_RECIPIENTS_MAX]:
            handle = mail_handle(address)
            if handle is not None:
                reason = "the mail server reported a failure"
                bounces[handle] = AddressBounced(
                    message_id=message_id, at_ms=now_ms, handle=handle, permanent=False, reason=reason
                )
    return Report(bounces=tuple(bounces.values()), other=tuple(other))


def _blocks(data: bytes) -> list[dict[str, str]]:
    text = decode_text(data[:_REPORT_BYTES_MAX], "utf-8").strip()
    return [_fields(block) for block in _BLANK.split(text)[: _RECIPIENTS_MAX + 1]]


def _fields(block: str) -> dict[str, str]:
    return {name.lower(): clean_line(value) for name, value in _FIELD.findall(_FOLDED.sub(" ", block))}


def _returned_id(parts: Sequence[tuple[str, bytes]]) -> str | None:
    """Our id of the mail that came back, where the report holds the mail or its headers."""
    for content_type, data in parts:
        if content_type in RETURNED_TYPES:
            head = _BLANK.split(decode_text(data[:_REPORT_BYTES_MAX], "utf-8").lstrip(), maxsplit=1)[0]
            found = own_id(parse_message_id(_fields(head).get("message-id")))
            if found is not None:
                return found
    return None
