"""Durations as people write them (`30s`, `5m`, `2h`) and as the code holds them (milliseconds). Called by the models."""

from __future__ import annotations

import re
from typing import Final

_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION_PATTERN: Final = r"^[0-9]+(ms|s|m|h|d)$"
_DURATION: Final = re.compile(r"([0-9]+)(ms|s|m|h|d)")
DURATION_MAX_MS: Final = 366 * _UNITS_MS["d"]


def parse_duration_ms(text: str) -> int:
    """The milliseconds in `500ms`, `30s`, `5m`, `2h` or `1d`. Raises ValueError for anything else and for more than 366 days."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be a duration such as 30s, 5m or 2h")
    duration_ms = int(match[1]) * _UNITS_MS[match[2]]
    if duration_ms > DURATION_MAX_MS:
        raise ValueError("must be a duration of at most 366d")
    return duration_ms


def format_duration(duration_ms: int) -> str:
    """The shortest way to write it: `90s`, `5m`, `0s`."""
    if duration_ms == 0:
        return "0s"
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if duration_ms % _UNITS_MS[unit] == 0)
    return f"{duration_ms // _UNITS_MS[unit]}{unit}"
