"""Durations as they are written and as they are held."""

import pytest

from libs.common.configuration.durations import format_duration, parse_duration_ms


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [("0s", 0), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)],
)
def test_reads_and_writes_the_same_duration(text: str, duration_ms: int) -> None:
    assert parse_duration_ms(text) == duration_ms
    assert format_duration(duration_ms) == text


@pytest.mark.parametrize("text", ["", "30", "s", "1.5h", "-5s", "5 m", "5M", "1h30m", "5m\n5m", "٥m"])
def test_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 30s, 5m or 2h"):
        parse_duration_ms(text)


def test_refuses_more_than_a_year() -> None:
    with pytest.raises(ValueError, match="at most 366d"):
        parse_duration_ms("99999999999999999999d")


def test_writes_the_largest_unit_that_fits() -> None:
    assert format_duration(90_000) == "90s"
    assert format_duration(172_800_000) == "2d"
    assert format_duration(1_500) == "1500ms"
