"""What an acknowledgement may promise, in view of the opening hours."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from libs.common.configuration.load import parse_configuration
from libs.common.testing.builders import a_contact_queued
from services.followup.promise import Promise, promise_answer

CONFIGURATION = parse_configuration(
    """\
pools:
  care: {timezone: Europe/Rome, hours: {mon-fri: ["09:00-17:00"]}, holidays: IT}
queues:
  open-time: {pool: care, target_in_open_time: true}
  all-time: {pool: care}
  late: {pool: care, offer_when_closed: true}
  never: {pool: care, hours: {}}
  emergency: {pool: care, hours: always}
"""
)
HOUR_MS = 3_600_000


def rome(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Rome")).timestamp()) * 1000


@pytest.mark.parametrize(
    ("queue", "at", "due", "promise"),
    [
        ("open-time", "2026-10-02 10:00", "2026-10-02 11:00", Promise(within_ms=HOUR_MS)),
        (
            "open-time",
            "2026-10-02 16:30",
            "2026-10-05 09:30",
            Promise(by_ms=rome("2026-10-05 09:30"), timezone="Europe/Rome"),
        ),
        (
            "open-time",
            "2026-10-03 12:00",
            "2026-10-05 10:00",
            Promise(within_ms=HOUR_MS, opens_ms=rome("2026-10-05 09:00"), timezone="Europe/Rome"),
        ),
        (
            "all-time",
            "2026-10-03 12:00",
            "2026-10-03 13:00",
            Promise(opens_ms=rome("2026-10-05 09:00"), timezone="Europe/Rome"),
        ),
        ("all-time", "2026-10-02 16:30", "2026-10-02 17:30", Promise(within_ms=HOUR_MS)),
        ("late", "2026-10-03 12:00", "2026-10-03 13:00", Promise(within_ms=HOUR_MS)),
        ("emergency", "2026-10-03 12:00", "2026-10-03 13:00", Promise(within_ms=HOUR_MS)),
        ("gone", "2026-10-03 12:00", "2026-10-03 13:00", Promise(within_ms=HOUR_MS)),
        ("never", "2026-10-02 12:00", "2026-10-02 13:00", Promise()),
    ],
)
def test_promises_what_can_be_kept(queue: str, at: str, due: str, promise: Promise) -> None:
    contact = a_contact_queued(queue=queue, at_ms=rome(at), received_ms=rome(at), due_ms=rome(due))
    assert promise_answer(CONFIGURATION, contact) == promise
