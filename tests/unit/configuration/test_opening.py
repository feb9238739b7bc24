"""Hours, holidays and clocks that change, worked out into spans of UTC."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from libs.common.configuration.load import parse_configuration
from libs.common.configuration.opening import (
    DAY_MS,
    OpenState,
    agent_calendar,
    horizon,
    open_state,
    openings_of,
    queue_calendar,
    work_out,
)

ROME = ZoneInfo("Europe/Rome")
CONFIGURATION = """\
calendars:
  early: {hours: {mon-fri: ["06:00-14:00"]}, holidays: IT}
  chile: {timezone: America/Santiago, hours: {mon-sun: ["00:00-06:00"]}}
pools:
  care:
    timezone: Europe/Rome
    hours: {mon-fri: ["09:00-13:00", "14:00-18:00"], sat: ["09:00-13:00"]}
    holidays: [IT-MI, 2026-11-12]
    special: {"2026-12-24": ["09:00-12:00"], "2026-12-31": [], "2026-12-25": ["10:00-11:00"]}
  other: {}
queues:
  general: {pool: care}
  night: {pool: care, hours: {mon-sun: ["00:00-02:30", "02:30-24:00"]}}
  gap: {pool: care, hours: {sun: ["02:30-06:00"], sat: ["22:00-24:00"]}}
  gap-end: {pool: care, hours: {sun: ["00:00-02:30"]}}
  emergency: {pool: care, hours: always}
  far: {pool: care, hours: chile}
  free: {pool: other}
agents:
  anna: {name: Anna, pool: care, shift: early}
  bruno: {name: Bruno, pool: care, shift: {mon: ["09:00-10:00"]}}
  carla: {name: Carla, pool: care}
"""


def local(text: str, zone: ZoneInfo = ROME, *, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()) * 1000


def spans_of(calendar: str, first: str, last: str) -> list[tuple[str, str]]:
    """What is open from midnight to midnight, as clocks in Rome show it."""
    found = openings_of(parse_configuration(CONFIGURATION), "care")[calendar]
    return [
        (shown(begin), shown(end)) for begin, end in work_out(found, local(f"{first} 00:00"), local(f"{last} 00:00"))
    ]


def shown(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, ROME).strftime("%a %d %H:%M %Z")


def test_a_day_has_as_many_spans_as_are_written() -> None:
    assert spans_of("pool:care", "2026-10-02", "2026-10-05") == [
        ("Fri 02 09:00 CEST", "Fri 02 13:00 CEST"),
        ("Fri 02 14:00 CEST", "Fri 02 18:00 CEST"),
        ("Sat 03 09:00 CEST", "Sat 03 13:00 CEST"),
    ]


@pytest.mark.parametrize(
    "closed",
    ["2026-12-31", "2026-12-07", "2026-12-08", "2026-11-12", "2026-04-06"],
    ids=["special", "the patron saint of Milan", "Immaculate Conception", "a day by itself", "Easter Monday"],
)
def test_a_holiday_is_closed(closed: str) -> None:
    day = local(f"{closed} 00:00")
    assert work_out(openings_of(parse_configuration(CONFIGURATION), "care")["pool:care"], day, day + DAY_MS) == ()


def test_a_special_day_has_its_own_hours_though_it_be_a_holiday() -> None:
    assert spans_of("pool:care", "2026-12-24", "2026-12-26") == [
        ("Thu 24 09:00 CET", "Thu 24 12:00 CET"),
        ("Fri 25 10:00 CET", "Fri 25 11:00 CET"),
    ]


def test_hours_are_the_clocks_on_both_sides_of_both_changes() -> None:
    assert spans_of("pool:care", "2026-03-28", "2026-03-31") == [
        ("Sat 28 09:00 CET", "Sat 28 13:00 CET"),
        ("Mon 30 09:00 CEST", "Mon 30 13:00 CEST"),
        ("Mon 30 14:00 CEST", "Mon 30 18:00 CEST"),
    ]
    assert spans_of("pool:care", "2026-10-24", "2026-10-27") == [
        ("Sat 24 09:00 CEST", "Sat 24 13:00 CEST"),
        ("Mon 26 09:00 CET", "Mon 26 13:00 CET"),
        ("Mon 26 14:00 CET", "Mon 26 18:00 CET"),
    ]


def test_what_begins_or_ends_in_the_missing_hour_does_so_where_it_would_have_begun() -> None:
    # given: on 29 March 2026 clocks in Rome go from 2:00 to 3:00
    assert spans_of("queue:gap", "2026-03-29", "2026-03-30") == [("Sun 29 03:00 CEST", "Sun 29 06:00 CEST")]
    assert spans_of("queue:gap-end", "2026-03-29", "2026-03-30") == [("Sun 29 00:00 CET", "Sun 29 03:00 CEST")]


def test_the_hour_that_comes_twice_begins_the_first_time_and_ends_the_second() -> None:
    # given: on 25 October 2026 clocks in Rome go from 3:00 back to 2:00
    assert spans_of("queue:gap", "2026-10-25", "2026-10-26") == [("Sun 25 02:30 CEST", "Sun 25 06:00 CET")]
    assert spans_of("queue:gap-end", "2026-10-25", "2026-10-26") == [("Sun 25 00:00 CEST", "Sun 25 02:30 CET")]


def test_spans_that_touch_are_one_over_midnight_and_over_a_change() -> None:
    assert spans_of("queue:night", "2026-03-28", "2026-03-31") == [("Sat 28 00:00 CET", "Tue 31 00:00 CEST")]
    assert spans_of("queue:night", "2026-10-24", "2026-10-27") == [("Sat 24 00:00 CEST", "Tue 27 00:00 CET")]


def test_a_clock_that_jumps_at_midnight_opens_when_the_day_begins() -> None:
    # given: on 6 September 2026 clocks in Santiago go from 0:00 to 1:00
    far = openings_of(parse_configuration(CONFIGURATION), "care")["chile"]
    santiago = ZoneInfo("America/Santiago")
    day = local("2026-09-06 12:00", santiago)
    [(begin, end)] = [span for span in work_out(far, day - DAY_MS, day) if span[1] > day - DAY_MS // 2]
    assert (begin, end) == (local("2026-09-06 01:00", santiago), local("2026-09-06 06:00", santiago))


def test_who_goes_by_which_calendar() -> None:
    configuration = parse_configuration(CONFIGURATION)
    assert {name: queue_calendar(configuration, name) for name in configuration.queues} == {
        "general": "pool:care",
        "night": "queue:night",
        "gap": "queue:gap",
        "gap-end": "queue:gap-end",
        "emergency": None,
        "far": "chile",
        "free": None,
    }
    early, written_out, none = [agent_calendar(configuration, name) for name in configuration.agents]
    assert (early, none) == ("early", None)
    assert written_out is not None
    assert written_out.startswith("shift:")
    assert openings_of(configuration, "other") == {}
    assert openings_of(configuration, "care")["early"].timezone == "Europe/Rome"


def test_a_queues_own_hours_keep_the_pools_holidays_and_a_shift_its_own_counsel() -> None:
    christmas = local("2026-12-28 00:00") - 3 * DAY_MS, local("2026-12-28 00:00")
    configuration = parse_configuration(CONFIGURATION)
    openings = openings_of(configuration, "care")
    assert work_out(openings["queue:night"], *christmas) == (
        (local("2026-12-25 10:00"), local("2026-12-25 11:00")),
        (local("2026-12-27 00:00"), local("2026-12-28 00:00")),
    )
    monday = local("2026-12-07 00:00")
    shift = agent_calendar(configuration, "bruno")
    assert shift is not None
    assert len(work_out(openings[shift], monday, monday + DAY_MS)) == 1


def test_agents_of_a_pool_with_the_same_hours_share_a_calendar() -> None:
    # given a rota in which many have the same hours, written in one way or the other
    shifts = [
        '{mon-fri: ["09:00-13:00"]}',
        '{mon-thu: ["09:00-13:00"], fri: ["09:00-13:00"]}',
        '{mon-fri: ["14:00-18:00"]}',
    ]
    agents = "".join(
        f"  agent-{number}: {{name: A, pool: care, shift: {shifts[number % 3]}}}\n" for number in range(300)
    )
    configuration = parse_configuration(f"pools: {{care: {{}}}}\nqueues: {{q: {{pool: care}}}}\nagents:\n{agents}")
    # then there are as many calendars as different hours
    assert len(openings_of(configuration, "care")) == 2
    assert agent_calendar(configuration, "agent-0") == agent_calendar(configuration, "agent-1")
    assert agent_calendar(configuration, "agent-0") != agent_calendar(configuration, "agent-2")


def test_says_whether_it_is_open_and_when_that_changes() -> None:
    opening = openings_of(parse_configuration(CONFIGURATION), "care")["pool:care"]
    assert open_state(opening, local("2026-10-02 13:00")) == OpenState(
        is_open=False, turns_ms=local("2026-10-02 14:00")
    )
    assert open_state(opening, local("2026-10-02 17:59")) == OpenState(is_open=True, turns_ms=local("2026-10-02 18:00"))
    assert open_state(opening, local("2026-10-03 13:00")) == OpenState(
        is_open=False, turns_ms=local("2026-10-05 09:00")
    )


def test_the_horizon_is_the_same_all_day() -> None:
    day = local("2026-10-02 02:00")
    assert horizon(day) == horizon(day + DAY_MS - 1)
    assert horizon(day + DAY_MS)[0] == horizon(day)[0] + DAY_MS
