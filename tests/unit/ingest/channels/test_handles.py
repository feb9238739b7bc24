"""Handles are spelt one way only."""

from __future__ import annotations

import pytest

from services.ingest.channels.handles import (
    handle_address,
    identifier_handle,
    mail_handle,
    phone_handle,
    sms_handle,
    unique_handles,
)


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("Luca@Example.COM", "mailto:luca@example.com"),
        (" <luca@example.com> ", "mailto:luca@example.com"),
        ("o'neil+tag@xn--caf-dma.example", "mailto:o'neil+tag@xn--caf-dma.example"),
        ("josé@example.com", "mailto:josé@example.com"),
        ("luca", None),
        ("", None),
        (None, None),
        ("a@b@c", None),
        ("a b@c.example", None),
        ("a@b.example, c@d.example", None),
        ("a..b@example.com", None),
        ("a@.example.com", None),
        ("a@b\r\nBcc: x@y.example", None),
        ("x" * 65 + "@example.com", None),
        ("a@" + "x" * 300, None),
    ],
)
def test_mail_addresses(text: str | None, handle: str | None) -> None:
    assert mail_handle(text) == handle


@pytest.mark.parametrize(
    ("text", "region", "handle"),
    [
        ("+39 333 123.4567", None, "tel:+393331234567"),
        ("0039 333 1234567", None, "tel:+393331234567"),
        ("(02) 1234-5678", "IT", "tel:+390212345678"),
        ("333 1234567", "IT", "tel:+393331234567"),
        ("333 1234567", None, None),
        ("1", "IT", None),
        ("SHOP", "IT", None),
        ("", "IT", None),
        ("+", None, None),
        ("+39333123456789012", None, None),
    ],
)
def test_phone_numbers(text: str, region: str | None, handle: str | None) -> None:
    assert phone_handle(text, region) == handle


def test_a_sender_that_cannot_be_called() -> None:
    assert sms_handle("45678") == "sms:45678"
    assert sms_handle("InfoSMS") == "sms:infosms"
    assert sms_handle("") is None


def test_handles_are_kept_in_order_and_once() -> None:
    assert unique_handles("a:1", None, "b:2", "a:1") == ("a:1", "b:2")
    assert identifier_handle("telegram", None) is None
    assert handle_address("tel:+39", "tel") == "+39"
    assert handle_address("tel:+39", "mailto") is None
    assert handle_address("tel:", "tel") is None
