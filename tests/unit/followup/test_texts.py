"""What customers are told while they wait: whom, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from libs.common.configuration.models import Followup
from libs.common.events.routing import CustomerNotice, WaitExpected
from services.followup import texts
from services.followup.promise import Promise
from services.followup.say import say_wait

SETTINGS = Followup(tell_wait=True)
MINUTE_MS = 60_000


def a_row(**fields: Any) -> dict[str, Any]:
    plain = {"channel": "sms", "handle": "tel:+39333", "automatic": False, "language": "it"}
    return {**plain, **fields}


def expected(position: int, minutes: float | None) -> WaitExpected:
    wait_ms = None if minutes is None else round(minutes * MINUTE_MS)
    return WaitExpected(pool="care", at_ms=0, contact_id="con_1", position=position, expected_wait_ms=wait_ms)


@pytest.mark.parametrize(
    ("seconds", "it", "en"),
    [
        (1, "1 minuto", "1 minute"),
        (61, "2 minuti", "2 minutes"),
        (300, "5 minuti", "5 minutes"),
        (301, "10 minuti", "10 minutes"),
        (31 * 60, "40 minuti", "40 minutes"),
        (51 * 60, "1 ora", "1 hour"),
        (61 * 60, "90 minuti", "90 minutes"),
        (91 * 60, "2 ore", "2 hours"),
        (121 * 60, "3 ore", "3 hours"),
    ],
)
def test_a_wait_is_rounded_upwards_to_what_people_say(seconds: int, it: str, en: str) -> None:
    assert (say_wait(seconds * 1000, "it"), say_wait(seconds * 1000, "en")) == (it, en)


def test_who_waits_is_told_the_place_and_about_how_long() -> None:
    it = texts.wait_text(expected(3, 7), Promise(), "it", SETTINGS)
    en = texts.wait_text(expected(1, 7), Promise(), "en", SETTINGS)
    assert it == "Abbiamo ricevuto il tuo messaggio. Sei al numero 3 in coda: ti rispondiamo tra circa 10 minuti."
    assert en == "We have received your message. You are next in line; we expect to answer in about 10 minutes."


@pytest.mark.parametrize("minutes", [None, 0.5, 9 * 60])
def test_what_is_not_known_too_short_or_too_long_to_be_true_is_not_said(minutes: float | None) -> None:
    assert texts.wait_text(expected(3, minutes), Promise(), "it", SETTINGS) is None


def test_while_it_is_closed_the_text_says_when_it_opens() -> None:
    closed = Promise(opens_ms=1_767_600_000_000, timezone="Europe/Rome")
    text = texts.wait_text(expected(3, None), closed, "it", SETTINGS)
    assert text is not None
    assert text.endswith("riapriamo lunedì 5 gennaio alle 09:00.")


@pytest.mark.parametrize(
    ("row", "kind", "today", "language"),
    [
        (a_row(), texts.KIND_WAIT, 0, "it"),
        (a_row(language="de"), texts.KIND_WAIT, 9, "it"),
        (a_row(), texts.KIND_WAIT, 10, None),
        (a_row(automatic=True), texts.KIND_WAIT, 0, None),
        (a_row(channel="voice"), texts.KIND_NOTICE, 0, None),
        (a_row(channel="email", handle="mailto:luca@example.com"), texts.KIND_WAIT, 0, None),
        (a_row(channel="email", handle="mailto:luca@example.com"), texts.KIND_NOTICE, 0, "it"),
        (a_row(channel="email", handle="mailto:no-reply@example.com"), texts.KIND_NOTICE, 0, None),
        # Of a contact from before texts were told it is not known where they would go.
        (a_row(channel=""), texts.KIND_NOTICE, 0, None),
    ],
)
def test_regression_29_machines_and_those_told_often_today_are_told_nothing(
    row: dict[str, Any], kind: str, today: int, language: str | None
) -> None:
    assert texts.plan_text(row, SETTINGS, kind=kind, told_today=today, bounced=False) == language


def test_a_notice_is_in_the_customers_language_or_in_one_that_there_is() -> None:
    notice = CustomerNotice(pool="care", at_ms=0, contact_id="c", cause="overflow", texts={"de": "Zu.", "en": "Shut."})
    assert texts.notice_text(notice, "en-GB", SETTINGS) == "Shut."
    assert texts.notice_text(notice, "it", SETTINGS) == "Shut."
    assert texts.notice_text(notice, "de", SETTINGS) == "Zu."
