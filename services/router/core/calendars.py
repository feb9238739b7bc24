"""Opening times: when a calendar turns, and when a time counted in open hours is over.

Calendars come worked out into spans of UTC milliseconds; here they are only searched. Called by `timers`, `due`, `policies` and the
modules that fold.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from services.router.core.entities import CalendarState

Spans = Sequence[tuple[int, int]]


def is_open_at(spans: Spans, at_ms: int) -> bool:
    """Whether a time lies in one of the spans."""
    place = bisect_right(spans, at_ms, key=_begin)
    return place > 0 and at_ms < spans[place - 1][1]


def next_turn_ms(calendar: CalendarState) -> int | None:
    """When the calendar is next to be turned: at once where it is not what its spans say. None where nothing more is known."""
    counted_ms = calendar.counted_ms
    if calendar.open:
        place = bisect_right(calendar.spans, counted_ms, key=_begin)
        return max(counted_ms, calendar.spans[place - 1][1]) if place else counted_ms
    place = bisect_right(calendar.spans, counted_ms, key=_end)
    return max(counted_ms, calendar.spans[place][0]) if place < len(calendar.spans) else None


def add_open_time(calendar: CalendarState, from_ms: int, duration_ms: int) -> int:
    """When so much open time has passed since `from_ms`. Time beyond what is known of the calendar counts like any other."""
    spans = calendar.spans
    left_ms = duration_ms
    for place in range(bisect_right(spans, from_ms, key=_end), len(spans)):
        begin_ms, end_ms = spans[place]
        begin_ms = max(begin_ms, from_ms)
        if left_ms <= end_ms - begin_ms:
            return begin_ms + left_ms
        left_ms -= end_ms - begin_ms
    return max(from_ms, calendar.until_ms) + left_ms


def _begin(span: tuple[int, int]) -> int:
    return span[0]


def _end(span: tuple[int, int]) -> int:
    return span[1]
