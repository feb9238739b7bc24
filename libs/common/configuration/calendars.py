"""Opening hours, holidays and time zones of a pool, as they are written in the configuration. Called by the models."""

from __future__ import annotations

import datetime
import itertools
import re
import zoneinfo
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final

import holidays
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = "|".join(DAYS)
_DAYS_PATTERN: Final = rf"({_DAY})(-({_DAY}))?"
_SPAN_PATTERN: Final = r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])"
_DATE_PATTERN: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From and to, in minutes after local midnight; `to_minute` is not part of it and at most 1440."""

    from_minute: int
    to_minute: int


def parse_days(text: str) -> range:
    """The days in `sat` or `mon-fri` as a range of numbers, Monday 0. Raises ValueError."""
    match = re.fullmatch(_DAYS_PATTERN, text)
    if match is None:
        raise ValueError("must be a day or days such as sat or mon-fri")
    first = DAYS.index(match[1])
    last = DAYS.index(match[3]) if match[3] else first
    if last < first:
        raise ValueError("the first day must come before the last, the week begins on mon")
    return range(first, last + 1)


def parse_span(text: str) -> Span:
    """The span in `09:00-13:00`; the end may be `24:00`. Raises ValueError."""
    match = re.fullmatch(_SPAN_PATTERN, text)
    if match is None:
        raise ValueError("must be hours such as 09:00-13:00, in quotes")
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if end > _DAY_MINUTES:
        raise ValueError("must end at 24:00 at the latest")
    if begin >= end:
        raise ValueError("must begin before it ends; hours over midnight are two spans")
    return Span(from_minute=begin, to_minute=end)


def _days(value: str) -> str:
    try:
        parse_days(value)
    except ValueError as error:
        raise PydanticCustomError("days", str(error)) from error
    return value


def _span(value: object) -> Span:
    if isinstance(value, Span):
        return value
    try:
        return parse_span(value if isinstance(value, str) else "")
    except ValueError as error:
        raise PydanticCustomError("span", str(error)) from error


def _whole_week(hours: dict[str, tuple[Span, ...]]) -> dict[str, tuple[Span, ...]]:
    seen: set[int] = set()
    for days, spans in hours.items():
        numbers = parse_days(days)
        for number in numbers:
            if number in seen:
                raise PydanticCustomError("days", "{day} is given twice", {"day": DAYS[number]})
            seen.add(number)
        _check_apart(days, spans)
    return hours


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PydanticCustomError("timezone", "unknown time zone; use a name such as Europe/Rome") from error
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayName:
    """A country by ISO 3166, and one of its regions or towns where its own holidays (a patron saint's day) count too."""

    country: str
    region: str | None

    @staticmethod
    def parse(text: str) -> HolidayName | datetime.date:
        """What `IT`, `IT-MI` or `2026-12-24` stands for. Raises ValueError."""
        if re.fullmatch(_DATE_PATTERN, text):
            return datetime.date.fromisoformat(text)
        country, _, region = text.partition("-")
        regions = _countries().get(country)
        if regions is None:
            raise ValueError(_HOLIDAY_EXPECTED)
        if "-" in text and region not in regions:
            raise ValueError(
                f"{country} has no region {region[:40]!r} with holidays of its own; try {', '.join(regions[:5]) or country}"
            )
        return HolidayName(country=country, region=region or None)


_HOLIDAY_EXPECTED: Final = "must be a country such as IT, a region of it such as IT-MI, or a day such as 2026-12-24"


@cache
def _countries() -> dict[str, list[str]]:
    return {code: regions for code, regions in holidays.list_supported_countries().items() if len(code) == 2}


def _holiday(value: str) -> str:
    try:
        HolidayName.parse(value)
    except ValueError as error:
        # A day that does not exist is told like any other text that is no day.
        told = str(error) if "region" in str(error) else _HOLIDAY_EXPECTED
        raise PydanticCustomError("holiday", "{told}", {"told": told}) from error
    return value


def _special_day(value: str) -> str:
    try:
        if re.fullmatch(_DATE_PATTERN, value):
            datetime.date.fromisoformat(value)
            return value
    except ValueError:
        pass  # A day that does not exist is told like any other text that is no day.
    raise PydanticCustomError("day", "must be a day such as 2026-12-24")


def _apart(days: dict[str, tuple[Span, ...]]) -> dict[str, tuple[Span, ...]]:
    for day, spans in days.items():
        _check_apart(day, spans)
    return days


def _check_apart(day: str, spans: tuple[Span, ...]) -> None:
    ordered = sorted(spans, key=lambda span: span.from_minute)
    if any(later.from_minute < earlier.to_minute for earlier, later in itertools.pairwise(ordered)):
        raise PydanticCustomError("span", "the hours of {days} overlap", {"days": day})


def _list_of_one(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Days = Annotated[str, AfterValidator(_days)]
_HourSpan = Annotated[Span, BeforeValidator(_span), WithJsonSchema({"type": "string", "pattern": f"^{_SPAN_PATTERN}$"})]
_HOURS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "propertyNames": {"pattern": f"^{_DAYS_PATTERN}$"},
    "additionalProperties": {"type": "array", "items": {"type": "string", "pattern": f"^{_SPAN_PATTERN}$"}},
    "examples": [{"mon-fri": ["09:00-13:00", "14:00-18:00"]}],
}
_HOLIDAY: Final[dict[str, Any]] = {"type": "string", "pattern": f"^([A-Z]{{2}}(-.+)?|{_DATE_PATTERN})$"}
_SPECIAL_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "propertyNames": {"pattern": f"^{_DATE_PATTERN}$"},
    "additionalProperties": {"type": "array", "items": {"type": "string", "pattern": f"^{_SPAN_PATTERN}$"}},
    "examples": [{"2026-12-24": ["09:00-12:00"], "2026-12-31": []}],
}

WeeklyHours = Annotated[dict[_Days, tuple[_HourSpan, ...]], AfterValidator(_whole_week), WithJsonSchema(_HOURS_SCHEMA)]
Holidays = Annotated[
    tuple[Annotated[str, AfterValidator(_holiday)], ...],
    BeforeValidator(_list_of_one),
    WithJsonSchema({"anyOf": [_HOLIDAY, {"type": "array", "items": _HOLIDAY}]}),
]
SpecialDays = Annotated[
    dict[Annotated[str, AfterValidator(_special_day)], tuple[_HourSpan, ...]],
    AfterValidator(_apart),
    WithJsonSchema(_SPECIAL_SCHEMA),
]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
