"""Who gets a mail and who does not."""

import pytest

from libs.common.configuration.models import Followup
from libs.common.testing.builders import a_contact_queued
from services.followup.plan import (
    ACKNOWLEDGEMENTS_A_DAY_MAX,
    Planned,
    Suppressed,
    is_no_reply,
    plan_acknowledgement,
    plan_follow_up,
)

SETTINGS = Followup(sender="Shop <care@shop.example>", delay_ms=60_000)


def acknowledge(settings: Followup = SETTINGS, bounced: bool = False, today: int = 0, **fields):
    fact = a_contact_queued(**fields)
    return plan_acknowledgement(fact, settings, bounced=bounced, acknowledged_today=today)


def test_a_mail_is_acknowledged_at_once() -> None:
    planned = acknowledge(language="en")
    assert isinstance(planned, Planned)
    assert (planned.address, planned.language) == ("luca@example.com", "en")


@pytest.mark.parametrize("channel", ["sms", "telegram", "whatsapp", "api"])
def test_only_mails_and_forms_are_acknowledged(channel: str) -> None:
    assert acknowledge(channel=channel) is None


def test_a_form_with_a_phone_number_only_has_nothing_to_acknowledge() -> None:
    assert acknowledge(channel="webform", handle="tel:+393331234567", handles=()) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"automatic": True}, "automatic"),
        ({"bounced": True}, "bounced"),
        ({"today": ACKNOWLEDGEMENTS_A_DAY_MAX}, "too-many"),
        ({"handle": "mailto:no-reply@bank.example", "handles": ()}, "no-reply-address"),
        ({"settings": Followup()}, "disabled"),
    ],
)
def test_machines_and_the_unreachable_are_left_alone(options: dict, reason: str) -> None:
    assert acknowledge(**options) == Suppressed(reason=reason)


def test_regression_29_two_desks_cannot_write_to_each_other_without_end() -> None:
    answers = [acknowledge(today=today) for today in range(ACKNOWLEDGEMENTS_A_DAY_MAX + 2)]
    assert sum(isinstance(answer, Planned) for answer in answers) == ACKNOWLEDGEMENTS_A_DAY_MAX


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("noreply@x.example", True),
        ("No-Reply@x.example", True),
        ("do_not_reply@x.example", True),
        ("orders-noreply@x.example", True),
        ("noreply+42@x.example", True),
        ("mailer-daemon@x.example", True),
        ("bounces+77@x.example", True),
        ("nora.replyson@x.example", False),
        ("info@x.example", False),
        ("bouncer@x.example", False),
    ],
)
def test_addresses_that_nobody_reads(address: str, expected: bool) -> None:
    assert is_no_reply(address) is expected


def follow_up(**options):
    fields = {
        "address": "luca@example.com",
        "language": "it",
        "automatic": False,
        "wanted": True,
        "bounced": False,
        "resolved_ms": 1_000,
        "settings": SETTINGS,
    }
    return plan_follow_up(**{**fields, **options})


def test_the_follow_up_waits_for_its_delay() -> None:
    assert follow_up() == Planned(address="luca@example.com", language="it", due_ms=61_000)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"wanted": False}, "not-wanted"),
        ({"address": None}, "no-address"),
        ({"automatic": True}, "automatic"),
        ({"bounced": True}, "bounced"),
    ],
)
def test_why_nobody_is_asked(options: dict, reason: str) -> None:
    assert follow_up(**options) == Suppressed(reason=reason)


@pytest.mark.parametrize(
    ("language", "languages", "chosen"),
    [
        ("en-GB", ("it", "en"), "en"),
        ("de", ("it", "en"), "it"),
        (None, ("en", "it"), "en"),
        ("en", ("it",), "it"),
        ("fr", ("fr",), "it"),
    ],
)
def test_the_mail_is_in_the_customers_language_where_it_is_written(language, languages, chosen) -> None:
    planned = follow_up(language=language, settings=Followup(sender="care@shop.example", languages=languages))
    assert planned.language == chosen
