"""A customer's address as a URI: `mailto:`, `tel:`, `telegram:`, `whatsapp:`, `sms:`. The same person's address is always spelt the same.

Pure. The adapters, the forms and the integrations' route make handles here and nowhere else, because two spellings would be two
customers.
"""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

from services.ingest.channels.text import clean_line

MAIL_CHARS_MAX: Final = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets.
_LOCAL_CHARS_MAX: Final = 64
_IDENTIFIER_CHARS_MAX: Final = 200

# What stands before the @: RFC 5322 atoms, international ones included; quoted local parts are nobody's address in practice.
_MAIL = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x20\x7f]+@[^\s@<>()\\,;:\"\x00-\x20\x7f]+")
_E164 = re.compile(r"\+[1-9][0-9]{4,14}")
_FORMATTING = re.compile(r"[\s().\-/\u00a0]")


def mail_address(text: str | None) -> str | None:
    """A bare mail address in lower case, None where the text is none.

    The local part is case-sensitive by the standard and by no mail server that a customer uses.
    """
    address = clean_line(text or "", 4 * MAIL_CHARS_MAX).strip("<> ").lower()
    if len(address) > MAIL_CHARS_MAX or not _MAIL.fullmatch(address):
        return None
    local, _, domain = address.partition("@")
    if len(local) > _LOCAL_CHARS_MAX or domain.startswith((".", "-")) or ".." in address:
        return None
    return address


def mail_handle(text: str | None) -> str | None:
    """`mailto:luca@example.com`, None where the text is no mail address."""
    address = mail_address(text)
    return None if address is None else f"mailto:{address}"


def phone_handle(text: str | None, region: str | None = None) -> str | None:
    """`tel:+393331234567` (E.164), None where the text is no phone number.

    `region` (`IT`) is needed for numbers written without their country; a provider's numbers always have it.
    """
    number = _FORMATTING.sub("", clean_line(text or "", 64))
    number = f"+{number[2:]}" if number.startswith("00") else number
    if _E164.fullmatch(number):
        return f"tel:{number}"
    if region is None or not number:
        return None
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return f"tel:{phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)}"


def sms_handle(text: str | None) -> str | None:
    """The handle of who sent a text message: `tel:` of a number, `sms:` of a short code or a sender's name, which cannot be called."""
    number = phone_handle(text)
    if number is not None:
        return number
    sender = clean_line(text or "", _IDENTIFIER_CHARS_MAX).lower()
    return f"sms:{sender}" if sender else None


def identifier_handle(scheme: str, identifier: str | int | None) -> str | None:
    """`telegram:4711`, `whatsapp:IT.2081978709342942`: a provider's own identifier, kept as it is. None where there is none."""
    if identifier is None:
        return None
    text = clean_line(str(identifier), _IDENTIFIER_CHARS_MAX)
    return f"{scheme}:{text}" if text else None


def unique_handles(*handles: str | None) -> tuple[str, ...]:
    """The handles that there are, in their order, each once."""
    return tuple(dict.fromkeys(handle for handle in handles if handle))


def handle_address(handle: str, scheme: str) -> str | None:
    """What stands after the scheme, None where the handle has another one."""
    found, _, address = handle.partition(":")
    return address if found == scheme and address else None
