"""Timers and the log's time."""

from __future__ import annotations

import pytest

from libs.common.log.port import Appended
from services.router.log_time import LogTime
from services.router.timers import Timers


def at(offset: int, timestamp_ms: int) -> Appended:
    return Appended(first_offset=offset, last_offset=offset, timestamp_ms=timestamp_ms)


def test_the_next_deadline_is_waited_for() -> None:
    timers = Timers()
    assert timers.wait_ms([], 100) is None
    assert timers.wait_ms([(130, "care"), (150, "sales")], 100) == 30
    assert timers.wait_ms([(90, "care")], 100) == 0


def test_a_pool_is_told_once_until_it_has_heard() -> None:
    # given
    timers = Timers()
    deadlines = [(90, "care"), (95, "sales"), (200, "returns")]
    assert timers.due(deadlines, 100) == [(90, "care"), (95, "sales")]
    # when
    timers.told((90, "care"), at(7, 100))
    # then: it is neither told again nor waited for
    assert timers.due(deadlines, 100) == [(95, "sales")]
    assert timers.wait_ms([(90, "care")], 100) is None
    # and once what it was told is decided, it may be told of the next
    timers.decided(7, [(90, "care")])
    assert timers.due([(90, "care")], 100) == []
    timers.decided(8, [(98, "care")])
    assert timers.due([(98, "care")], 100) == [(98, "care")]


def test_a_deadline_that_does_not_pass_is_a_bug() -> None:
    timers = Timers()
    timers.told((90, "care"), at(7, 100))
    with pytest.raises(AssertionError, match="care was told 90"):
        timers.decided(8, [(90, "care")])


def test_a_deadline_that_the_log_had_not_reached_is_told_again() -> None:
    timers = Timers()
    timers.told((90, "care"), at(7, 80))
    timers.decided(8, [(90, "care")])
    assert timers.due([(90, "care")], 95) == [(90, "care")]


@pytest.mark.parametrize(
    ("appends", "ahead_ms"),
    [
        ([(100, 100, 100)], 0),
        ([(100, 105, 110)], 0),  # Nothing rules out that the clocks agree.
        ([(100, 5_000_102, 104)], 4_999_998),  # The log is ahead by that at least.
        ([(100, 40, 104)], -60),
        ([(100, 40, 104), (200, 230, 50_200)], -60),  # A slow append says nothing new.
        ([(100, 40, 104), (200, 202, 204)], -2),
    ],
)
def test_the_logs_clock_is_told_from_appends(appends: list[tuple[int, int, int]], ahead_ms: int) -> None:
    log_time = LogTime()
    for before_ms, timestamp_ms, after_ms in appends:
        log_time.heard(before_ms=before_ms, timestamp_ms=timestamp_ms, after_ms=after_ms)
    assert log_time.ahead_ms == ahead_ms
