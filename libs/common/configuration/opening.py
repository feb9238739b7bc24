"""When a pool, a queue or an agent's shift is open: hours, time zone, holidays and special days worked out into spans of UTC.

Pure: no clock; it is handed the time. Called by the router's shell, which tells the core, by ingest's public status and by the
follow-up service's acknowledgements. Which days are holidays comes from the `holidays` library.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from libs.common.configuration.calendars import DAYS, HolidayName, Span, parse_days
from libs.common.configuration.models import ALWAYS, Configuration, Pool

DAY_MS: Final = 24 * 60 * 60 * 1000

# A message may be a day old when it comes, and targets count from when it was written.
PAST_MS: Final = 2 * DAY_MS
AHEAD_MS: Final = 60 * DAY_MS

_UTC: Final = datetime.UTC
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=_UTC)
_MS: Final = datetime.timedelta(milliseconds=1)
_MINUTE: Final = datetime.timedelta(minutes=1)
_DIGEST_CHARS: Final = 16

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What opening times are worked out of. `week`: the spans of Monday to Sunday; `holidays`: as in the file (`IT`, `IT-MI`, days).

    A day in `special` has its own spans, whatever the week and the holidays say.
    """

    timezone: str
    week: tuple[tuple[Span, ...], ...]
    holidays: tuple[str, ...] = ()
    special: tuple[tuple[str, tuple[Span, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenState:
    """Whether it is open, and when that changes next; None where it does not in the coming 60 days."""

    is_open: bool
    turns_ms: int | None


def work_out(opening: Opening, from_ms: int, until_ms: int) -> Spans:
    """The spans between two times, in order and apart, UTC milliseconds.

    When clocks are put forward, what begins or ends in the hour that is missing does so where that hour would have begun. When they are
    put back, what begins in the hour that comes twice begins the first time, and what ends in it ends the second time.
    """
    zone = ZoneInfo(opening.timezone)
    first = _moment(from_ms).astimezone(zone).date() - datetime.timedelta(days=1)
    last = _moment(until_ms).astimezone(zone).date()
    special = dict(opening.special)
    spans: list[tuple[int, int]] = []
    for day in _days_between(first, last):
        for span in _spans_of(opening, special, day):
            begin_ms = max(from_ms, _to_ms(day, span.from_minute, zone, last=False))
            end_ms = min(until_ms, _to_ms(day, span.to_minute, zone, last=True))
            if begin_ms >= end_ms:
                continue
            if spans and begin_ms <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end_ms, spans[-1][1]))
            else:
                spans.append((begin_ms, end_ms))
    return tuple(spans)


def horizon(now_ms: int) -> tuple[int, int]:
    """From when until when calendars are worked out at a time: whole days of UTC, so that whoever does it on one day gets the same."""
    today_ms = now_ms - now_ms % DAY_MS
    return today_ms - PAST_MS, today_ms + AHEAD_MS


def open_state(opening: Opening, now_ms: int) -> OpenState:
    """Whether it is open at a time, and when that changes."""
    spans = _horizon_spans(opening, now_ms - now_ms % DAY_MS)
    until_ms = horizon(now_ms)[1]
    for begin_ms, end_ms in spans:
        if now_ms < begin_ms:
            return OpenState(is_open=False, turns_ms=begin_ms)
        if now_ms < end_ms:
            return OpenState(is_open=True, turns_ms=end_ms if end_ms < until_ms else None)
    return OpenState(is_open=False, turns_ms=None)


def openings_of(configuration: Configuration, pool: str) -> dict[str, Opening]:
    """The calendars that a pool, its queues and its agents' shifts go by, by id, in the order of the ids."""
    found: dict[str, Opening] = {}
    queues = [name for name, queue in configuration.queues.items() if queue.pool == pool]
    agents = [name for name, agent in configuration.agents.items() if agent.pool == pool]
    for calendar_id in itertools.chain(
        (pool_calendar(configuration, pool),),
        (queue_calendar(configuration, name) for name in queues),
    ):
        if calendar_id is not None and calendar_id not in found:
            found[calendar_id] = _opening(configuration, configuration.pools[pool], calendar_id)
    for name in agents:
        calendar_id, shift = agent_calendar(configuration, name), configuration.agents[name].shift
        if calendar_id is None or calendar_id in found:
            continue
        if isinstance(shift, dict):  # Who works on a holiday is what the rota says.
            found[calendar_id] = Opening(timezone=configuration.pools[pool].timezone, week=_week(shift))
        else:
            found[calendar_id] = _opening(configuration, configuration.pools[pool], calendar_id)
    return dict(sorted(found.items()))


def pool_calendar(configuration: Configuration, pool: str) -> str | None:
    """The id of the calendar that a pool is open by; None: always."""
    hours = configuration.pools[pool].hours
    return None if hours is None else hours if isinstance(hours, str) else f"pool:{pool}"


def queue_calendar(configuration: Configuration, queue: str) -> str | None:
    """The id of the calendar that a queue is open by, its own or else its pool's; None: always."""
    hours = configuration.queues[queue].hours
    if hours is None:
        return pool_calendar(configuration, configuration.queues[queue].pool)
    if isinstance(hours, str):
        return None if hours == ALWAYS else hours
    return f"queue:{queue}"


def agent_calendar(configuration: Configuration, agent: str) -> str | None:
    """The id of the calendar of an agent's shifts; None: he has none, and is offered work whenever he is available.

    Agents of a pool who have the same hours written out share one: there are many agents, and few shifts.
    """
    shift = configuration.agents[agent].shift
    if shift is None or isinstance(shift, str):
        return shift
    return f"shift:{hashlib.sha256(repr(_week(shift)).encode()).hexdigest()[:_DIGEST_CHARS]}"


def _opening(configuration: Configuration, pool: Pool, calendar_id: str) -> Opening:
    kind, colon, name = calendar_id.partition(":")
    if not colon:
        named = configuration.calendars[calendar_id]
        return Opening(
            timezone=named.timezone or pool.timezone,
            week=_week(named.hours),
            holidays=named.holidays,
            special=_special(named.special),
        )
    hours = pool.hours if kind == "pool" else configuration.queues[name].hours
    assert isinstance(hours, dict), "a calendar of its own has its own hours"
    return Opening(timezone=pool.timezone, week=_week(hours), holidays=pool.holidays, special=_special(pool.special))


def _week(hours: Mapping[str, tuple[Span, ...]]) -> tuple[tuple[Span, ...], ...]:
    week: list[tuple[Span, ...]] = [()] * len(DAYS)
    for days, spans in hours.items():
        for number in parse_days(days):
            week[number] = tuple(sorted(spans, key=_from_minute))
    return tuple(week)


def _special(days: Mapping[str, tuple[Span, ...]]) -> tuple[tuple[str, tuple[Span, ...]], ...]:
    return tuple((day, tuple(sorted(spans, key=_from_minute))) for day, spans in sorted(days.items()))


def _from_minute(span: Span) -> int:
    return span.from_minute


@lru_cache(maxsize=512)
def _horizon_spans(opening: Opening, today_ms: int) -> Spans:
    return work_out(opening, *horizon(today_ms))


def _spans_of(opening: Opening, special: Mapping[str, tuple[Span, ...]], day: datetime.date) -> tuple[Span, ...]:
    own = special.get(day.isoformat())
    if own is not None:
        return own
    return () if _is_holiday(opening.holidays, day) else opening.week[day.weekday()]


def _is_holiday(names: Iterable[str], day: datetime.date) -> bool:
    return any(
        day in _holidays_in(parsed.country, parsed.region, day.year)
        if isinstance(parsed := HolidayName.parse(name), HolidayName)
        else parsed == day
        for name in names
    )


@cache
def _holidays_in(country: str, region: str | None, year: int) -> frozenset[datetime.date]:
    return frozenset(holidays.country_holidays(country, subdiv=region, years=year))


def _days_between(first: datetime.date, last: datetime.date) -> Iterator[datetime.date]:
    day = first
    while day <= last:
        yield day
        day += datetime.timedelta(days=1)


def _to_ms(day: datetime.date, minute: int, zone: ZoneInfo, *, last: bool) -> int:
    """The moment at which the local clock shows this minute of the day; `last`: the second one where there are two."""
    midnight = datetime.datetime.combine(day, datetime.time())
    local = midnight + datetime.timedelta(minutes=minute)
    early = local.replace(tzinfo=zone, fold=0).astimezone(_UTC)
    late = local.replace(tzinfo=zone, fold=1).astimezone(_UTC)
    if early <= late:
        return _ms(late if last else early)
    # The clock never shows this minute. It jumps over it between `late` and `early`: find when.
    offset_before = local.replace(tzinfo=zone, fold=0).utcoffset()
    low, high = 0, (early - late) // _MINUTE
    while low < high:
        middle = (low + high) // 2
        if (late + middle * _MINUTE).astimezone(zone).utcoffset() == offset_before:
            low = middle + 1
        else:
            high = middle
    return _ms(late + low * _MINUTE)


def _moment(at_ms: int) -> datetime.datetime:
    return _EPOCH + at_ms * _MS


def _ms(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // _MS
