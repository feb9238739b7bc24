"""Text from outside made safe, and long text in parts."""

from __future__ import annotations

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.channels.text import (
    CUT_MARK,
    TEXT_CHARS_MAX,
    clean_line,
    clean_text,
    decode_text,
    html_to_text,
    split_text,
)

# Everything that a provider can write, lone surrogates included, which JSON can carry.
ANY_TEXT = st.text(alphabet=st.characters(), max_size=200)


@given(ANY_TEXT)
def test_clean_text_is_valid_normalised_and_safe_to_write(text: str) -> None:
    cleaned = clean_text(text)
    assert "\x00" not in cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert msgspec.json.decode(msgspec.json.encode(cleaned)) == cleaned
    assert clean_text(cleaned) == cleaned


@given(ANY_TEXT)
def test_a_line_is_one_line(text: str) -> None:
    cleaned = clean_line(text, 50)
    assert len(cleaned) <= 50
    assert cleaned.splitlines() in ([], [cleaned])
    assert msgspec.json.decode(msgspec.json.encode(cleaned)) == cleaned


def test_text_of_any_size_is_cut_and_marked() -> None:
    cleaned = clean_text("è" * (TEXT_CHARS_MAX + 1))
    assert len(cleaned) == TEXT_CHARS_MAX
    assert cleaned.endswith(CUT_MARK)
    assert clean_text("e" * TEXT_CHARS_MAX) == "e" * TEXT_CHARS_MAX


def test_decomposed_letters_become_one_and_halves_of_a_character_too() -> None:
    assert clean_text("perche\u0301") == "perché"
    assert clean_text("\ud83d\ude00") == "😀"


def test_a_letter_with_a_hundred_thousand_marks_is_none() -> None:
    # Sorting that many marks would take minutes.
    assert len(clean_text("a" + "\u0301\u0323" * 100_000)) < 100


def test_line_ends_are_one_kind() -> None:
    assert clean_text("a\r\nb\rc\x0bd\x85e\u2028f") == "a\nb\nc\nd\ne\nf"


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        (b"perch\xe9", "utf-8", "perché"),
        (b"perch\xe9", None, "perché"),
        ("perché".encode(), "us-ascii", "perché"),
        ("perché".encode("utf-16"), "utf-16", "perché"),
        (b"abc", "rot13", "abc"),
        (b"\x80\x81", "utf-8", "€\ufffd"),
    ],
)
def test_bytes_are_read_whatever_they_claim_to_be(data: bytes, charset: str | None, text: str) -> None:
    assert decode_text(data, charset) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>a<br>b</p>", "a\nb"),
        ("<ul><li>uno<li>due</ul>", "* uno\n  * due"),
        ("<?xml version='1.0' encoding='utf-8'?><p>a &amp; b</p>", "a & b"),
        ("<script>alert(1)</script><style>p{}</style>seen", "seen"),
        ("<img src='data:image/png;base64," + "A" * 600_000 + "'><p>seen</p>", "seen"),
        ("<div>" * 5000 + "deep", "deep"),
    ],
)
def test_html_is_read_as_its_reader_sees_it(html: str, text: str) -> None:
    assert html_to_text(html) == text


@given(ANY_TEXT)
def test_html_never_fails(text: str) -> None:
    assert "\x00" not in html_to_text(f"<p>{text}<table><tr>")


@given(st.text(alphabet=st.sampled_from("ab \n😀è\u0301"), max_size=300), st.integers(min_value=2, max_value=40))
def test_parts_fit_and_lose_nothing_but_white_space(text: str, units_max: int) -> None:
    parts = split_text(text, units_max)
    assert all(part.strip() and len(part.encode("utf-16-le")) // 2 <= units_max for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_parts_end_between_words() -> None:
    assert split_text("uno due tre", 8) == ("uno due", "tre")
    assert split_text("uno\ndue tre", 10) == ("uno\ndue", "tre")
    assert split_text("x" * 10, 4) == ("xxxx", "xxxx", "xx")
    assert split_text("  ", 4) == ()
