"""Text from outside made safe to keep: valid Unicode in NFC, no control characters, bounded; and long text cut for providers' limits.

Pure. Every adapter passes every word that a provider sends through here before it stands in a message, because one lone surrogate or
NUL would make a record that no reader can decode.
"""

from __future__ import annotations

import html as html_entities
import re
import unicodedata
from typing import Final

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml.etree import LxmlError  # type: ignore[import-untyped] # lxml ships no types; inscriptis raises its errors.

TEXT_CHARS_MAX: Final = 100_000
LINE_CHARS_MAX: Final = 1_000
CUT_MARK: Final = "\n[cut]"
_HTML_CHARS_MAX: Final = 500_000  # Less than a second of rendering, whatever stands in it.
_MARKS_MAX: Final = (
    30  # A letter with more combining marks than this is no language (Unicode's stream-safe text format, UAX 15).
)

_SURROGATE = re.compile("[\ud800-\udfff]")
# Everything of category Cc except tab and line feed.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_BREAK = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Characters that turn the reading direction: in a name or a subject they only serve to disguise.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SYMBOLS = re.compile(rf"[^\w\s]{{{_MARKS_MAX + 2},}}")
_BLANK_LINES = re.compile("\n[ \t]*(?:\n[ \t]*){2,}")
_UNSEEN_ELEMENT = re.compile(r"<(script|style|head|title)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_INLINE_DATA = re.compile(r"data:[^\s\"'<>]{200,}")
_TAG = re.compile(r"<[^<>]*>")


def clean_text(text: str) -> str:
    """Text of any length and lines: at most TEXT_CHARS_MAX characters, then CUT_MARK. Never fails."""
    cleaned = _normalise(text[: 4 * TEXT_CHARS_MAX])
    cleaned = _CONTROL.sub("", _LINE_BREAK.sub("\n", cleaned)).strip()
    if len(cleaned) > TEXT_CHARS_MAX or len(text) > 4 * TEXT_CHARS_MAX:
        return cleaned[: TEXT_CHARS_MAX - len(CUT_MARK)] + CUT_MARK
    return cleaned


def clean_line(text: str, chars_max: int = LINE_CHARS_MAX) -> str:
    """A name, a subject, an id: one line of at most `chars_max` characters, white space run together. Never fails."""
    cleaned = _normalise(text[: 8 * chars_max])
    cleaned = _DIRECTION.sub("", _CONTROL.sub(" ", cleaned))
    cleaned = " ".join(cleaned.split())
    return cleaned if len(cleaned) <= chars_max else cleaned[: chars_max - 1] + "…"


def clean_line_or_none(text: str | None, chars_max: int = LINE_CHARS_MAX) -> str | None:
    """The same, with None for what is missing or empty."""
    return (clean_line(text, chars_max) or None) if text else None


def decode_text(data: bytes, charset: str | None) -> str:
    """Bytes in the charset that they claim to be in; where that is wrong or unknown, as UTF-8 and then as Windows-1252.

    Windows-1252 takes nearly any byte and is what mislabelled western mail is written in. Never fails.
    """
    for name in (charset, "utf-8"):
        if name:
            try:
                return data.decode(name)
            except (LookupError, UnicodeError, ValueError):
                # LookupError also for codecs that are no text encodings (`base64`); ValueError for a NUL in the name.
                continue
    return data.decode("cp1252", "replace")


def html_to_text(html: str) -> str:
    """What a reader of the HTML would see, as plain text. Never fails, and fetches nothing."""
    bounded = _INLINE_DATA.sub("", html)[:_HTML_CHARS_MAX]
    bounded = _CONTROL.sub("", _LINE_BREAK.sub("\n", _normalise(bounded)))
    try:
        text = get_text(bounded, ParserConfig(css=CSS_PROFILES["strict"]))
    except (LxmlError, ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError):
        # Mail's HTML can be anything and the renderer says nothing of what it raises; the words matter more than the layout.
        text = ""
    if not text.strip():
        text = html_entities.unescape(_TAG.sub(" ", _UNSEEN_ELEMENT.sub(" ", bounded)))
    return clean_text(_BLANK_LINES.sub("\n\n", text))


def split_text(text: str, units_max: int) -> tuple[str, ...]:
    """The text in parts of at most `units_max` UTF-16 code units (what SMS and Telegram count), cut at line ends or spaces if possible.

    No part is empty; a text of white space alone gives none. `units_max` is at least 2, so that any character fits.
    """
    assert units_max >= 2, "a character outside the basic plane takes two units"
    parts = []
    rest = text.strip()
    while rest:
        end = _fitting(rest, units_max)
        if end < len(rest):
            end = _break_before(rest, end)
        part = rest[:end].rstrip()
        if part:
            parts.append(part)
        rest = rest[end:].lstrip()
    return tuple(parts)


def _normalise(text: str) -> str:
    if text.isascii():
        return text
    if _SURROGATE.search(text):
        # JSON may hold one character as two escaped halves in different places; whole pairs are joined, halves replaced.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    # Sorting combining marks takes time with the square of their number, so that a run of them must end before NFC.
    return unicodedata.normalize("NFC", _SYMBOLS.sub(lambda found: _thin_marks(found.group()), text))


def _thin_marks(run: str) -> str:
    kept = []
    marks = 0
    for char in run:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= _MARKS_MAX:
            kept.append(char)
    return "".join(kept)


def _fitting(text: str, units_max: int) -> int:
    """How many characters of the text fit into `units_max` UTF-16 code units."""
    units = 0
    for place, char in enumerate(text):
        units += 2 if ord(char) > 0xFFFF else 1
        if units > units_max:
            return place
    return len(text)


def _break_before(text: str, end: int) -> int:
    # Not in the first half: a part with one word and then a word of two thousand letters helps nobody.
    for mark in ("\n", " "):
        place = text.rfind(mark, end // 2, end + 1)
        if place > 0:
            return place
    while end > 1 and unicodedata.combining(text[end]):
        end -= 1
    return end
