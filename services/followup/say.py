"""Lengths and points of time as people say them, in the languages that the templates are written in. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_timedelta

_MINUTE_MS: Final = 60_000
_AT: Final = {"it": "alle", "en": "at"}


def say_point(at_ms: int, language: str, timezone: str) -> str:
    """A point in time: `Monday 5 October at 09:00`, `lunedì 5 ottobre alle 09:00`."""
    moment = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(timezone))
    day = format_date(moment, "EEEE d MMMM", locale=language)
    return f"{day} {_AT[language]} {moment:%H:%M}"


@lru_cache(maxsize=1_024)
def say_duration(duration_ms: int | None, language: str) -> str | None:
    """How long: `20 minutes`, `1 ora`, `90 minutes`, `5 hours`; never less than what was promised."""
    if duration_ms is None:
        return None
    minutes = max(1, -(-duration_ms // _MINUTE_MS))
    said = timedelta(minutes=minutes) if minutes < 120 else timedelta(hours=-(-minutes // 60))
    # Babel goes over to the next unit at `threshold` times it: 90 minutes stay minutes, one hour is an hour.
    return str(format_timedelta(said, granularity="minute", threshold=1 if minutes == 60 else 2, locale=language))


def say_wait(wait_ms: int, language: str) -> str:
    """About how long, rounded upwards to what people say: `5 minutes`, `40 minutes`, `1 ora`, `3 hours`."""
    minutes = max(1, -(-wait_ms // _MINUTE_MS))
    for up_to, step in ((5, 1), (30, 5), (60, 10), (120, 30)):
        if minutes <= up_to:
            return say_duration(-(-minutes // step) * step * _MINUTE_MS, language) or ""
    return say_duration(-(-minutes // 60) * 60 * _MINUTE_MS, language) or ""
