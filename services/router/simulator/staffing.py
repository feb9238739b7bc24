"""Staffing: how many people each interval needs to keep what is promised.

Two answers side by side. Each kind of contacts by itself, by Erlang C (or A, where customers leave): what separate teams would
need. And crews together, by trying them in the simulation: what people need who share their skills as the configuration says. The
demand of each interval is taken to go on for long enough to settle. Same seed, same result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from libs.common.errors import RefusedError
from services.router.simulator import theory
from services.router.simulator.crews import Crew, find_crews, try_crews
from services.router.simulator.demand import Demand, Kind, Period
from services.router.simulator.distributions import stream

PEOPLE_MAX: Final = 2_000
_CURVE_BELOW, _CURVE_ABOVE = 4, 8
# After so many more people without any use, more of them are of no use either.
_USELESS_MAX: Final = 8
_DRAWS: Final = 2_000


class UnkeepableError(RefusedError):
    """No number of the people that there are can keep the promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What a kind needs by itself: people, and what they would achieve (share in time, occupancy of their places)."""

    people: int
    within: float
    occupancy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodNeed:
    """What one period needs. `alone` by kind (None: it does not come); `crews`: people of each crew together; `kept`: the shares in time
    that they achieve, by kind.
    """

    period: Period
    alone: Sequence[Alone | None]
    crews: Sequence[int]
    kept: Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staffing:
    """The whole answer. `curves`: by kind, people against the share answered in time, at its busiest period and by itself."""

    demand: Demand
    crews: Sequence[Crew]
    needs: Sequence[PeriodNeed]
    curves: Sequence[Sequence[tuple[int, float]]]

    def skilled(self, need: PeriodNeed) -> dict[str, int]:
        """People with each skill in this period."""
        names = sorted({skill for crew in self.crews for skill in crew.skills})
        return {
            name: sum(count for crew, count in zip(self.crews, need.crews, strict=True) if name in crew.skills)
            for name in names
        }


def staff(demand: Demand, seed: int, progress: Callable[[float], None]) -> Staffing:
    """Work it out. `progress` is told the share that is done. Raises UnkeepableError."""
    crews = find_crews(demand)
    for number, kind in enumerate(demand.kinds):
        if not any(number in crew.takes for crew in crews):
            raise UnkeepableError(f"nobody in the configuration may take {kind.queue} on {kind.channel}")
        _check_answers(kind)
    # The formulas first: they tell at once what nobody can keep.
    by_itself = [
        [
            alone_need(kind, rate, _room(kind, number, crews, demand)) if rate else None
            for number, (kind, rate) in enumerate(zip(demand.kinds, period.rates, strict=True))
        ]
        for period in demand.periods
    ]
    tried: dict[tuple[float, ...], tuple[list[int], list[float | None]]] = {}
    needs = []
    for place, (period, alone) in enumerate(zip(demand.periods, by_itself, strict=True)):
        found = tried.get(period.rates)
        if found is None:
            # The same demand needs the same people, on whatever day.
            found = tried[period.rates] = _search(demand, period, crews, seed)
        needs.append(PeriodNeed(period=period, alone=alone, crews=found[0], kept=found[1]))
        progress((place + 1) / len(demand.periods))
    curves = [_curve(demand, number, crews) for number in range(len(demand.kinds))]
    return Staffing(demand=demand, crews=crews, needs=needs, curves=curves)


def _check_answers(kind: Kind) -> None:
    """However many there are, somebody has to answer the offer in time."""
    chance = stream(0, "answers")
    in_time = sum(kind.answer.draw(chance) <= kind.within_ms for _ in range(_DRAWS)) / _DRAWS
    if in_time < kind.share:
        raise UnkeepableError(
            f"{kind.queue} on {kind.channel}: {kind.share:.0%} within {kind.within_ms / 1000:g} s cannot be kept: "
            f"only {in_time:.0%} of offers are answered that soon"
        )


def _room(kind: Kind, number: int, crews: Sequence[Crew], demand: Demand) -> int:
    """How many contacts of a kind one person has at once, by the crew that is most specialised in it."""
    return max(1, next(crew.room(kind.channel, demand.units) for crew in crews if number in crew.takes))


def alone_need(kind: Kind, rate: float, room: int) -> Alone:
    """The fewest people who keep the promise for contacts of one kind that nobody else takes."""
    people = max(1, math.floor(rate * kind.busy_ms / room))
    while people <= PEOPLE_MAX:
        achieved = achieve(kind, rate, people * room)
        if achieved.within >= kind.share:
            return Alone(people=people, within=achieved.within, occupancy=achieved.occupancy)
        people += 1
    raise UnkeepableError(f"{kind.queue} on {kind.channel}: {PEOPLE_MAX} people do not keep {kind.share:.0%} in time")


@dataclass(frozen=True, slots=True)
class _Achieved:
    within: float
    occupancy: float


def achieve(kind: Kind, rate: float, places: int) -> _Achieved:
    """What so many places achieve by formula: Erlang A where customers leave, else C. An offer that is being answered keeps a place busy,
    and the customer waits for the answer too.
    """
    within_ms = kind.within_ms - kind.answer.mean_ms
    if within_ms < 0:
        return _Achieved(0.0, min(1.0, rate * kind.busy_ms / places))
    if kind.patience is not None and kind.patience.mean_ms <= 0:
        # Who is not answered in the same moment has gone.
        load = rate * kind.busy_ms
        lost = theory.erlang_b(places, load) if kind.answer.mean_ms == 0 else 1.0
        return _Achieved(1 - lost, load * (1 - lost) / places)
    if kind.patience is None:
        within = theory.answered_within_c(places, rate, kind.busy_ms, within_ms)
        return _Achieved(within, min(1.0, rate * kind.busy_ms / places))
    steady = theory.erlang_a(places, rate, kind.busy_ms, kind.patience.mean_ms, within_ms)
    return _Achieved(steady.within, steady.occupancy)


def _curve(demand: Demand, number: int, crews: Sequence[Crew]) -> list[tuple[int, float]]:
    kind = demand.kinds[number]
    rate = max(period.rates[number] for period in demand.periods)
    if not rate:
        return []
    room = _room(kind, number, crews, demand)
    needed = alone_need(kind, rate, room).people
    people = range(max(1, needed - _CURVE_BELOW), needed + _CURVE_ABOVE + 1)
    return [(count, achieve(kind, rate, count * room).within) for count in people]


def _search(demand: Demand, period: Period, crews: Sequence[Crew], seed: int) -> tuple[list[int], list[float | None]]:
    """The fewest people, tried in the simulation: add where it helps most until everything is kept, then take away whom nobody misses.

    It ends where no single person can be spared; fewer people of another mix are not ruled out.
    """
    counts = _beginning(demand, period, crews)
    kept = try_crews(demand, period, crews, counts, seed)
    least, useless = math.inf, 0
    while (short := _shortfall(demand, kept)) > 0:
        useless = 0 if short < least else useless + 1
        least = min(least, short)
        if sum(counts) >= PEOPLE_MAX or useless > _USELESS_MAX:
            raise UnkeepableError(
                f"{period.label}: what is promised cannot be kept; {sum(counts)} people do not, and more do not help"
            )
        worst = max(range(len(kept)), key=lambda number: _short(demand.kinds[number], kept[number]))
        trials = []
        for place, crew in enumerate(crews):
            if worst in crew.takes:
                more = [count + (place == other) for other, count in enumerate(counts)]
                trials.append((more, try_crews(demand, period, crews, more, seed)))
        # Of those that help alike the most specialised, who come first.
        counts, kept = min(trials, key=lambda trial: _shortfall(demand, trial[1]))
    return _spare(demand, period, crews, (counts, kept), seed)


def _spare(
    demand: Demand,
    period: Period,
    crews: Sequence[Crew],
    found: tuple[list[int], list[float | None]],
    seed: int,
) -> tuple[list[int], list[float | None]]:
    counts, kept = found
    # The most versatile first: they are the hardest to find.
    for place in reversed(range(len(crews))):
        while counts[place]:
            fewer = [count - (place == other) for other, count in enumerate(counts)]
            achieved = try_crews(demand, period, crews, fewer, seed)
            if _shortfall(demand, achieved) > 0:
                break
            counts, kept = fewer, achieved
    return counts, kept


def _beginning(demand: Demand, period: Period, crews: Sequence[Crew]) -> list[int]:
    """What the load alone asks for, by kinds, from the crew that is most specialised in each."""
    places = [0.0] * len(crews)
    for number, (kind, rate) in enumerate(zip(demand.kinds, period.rates, strict=True)):
        place = next(place for place, crew in enumerate(crews) if number in crew.takes)
        places[place] += rate * kind.busy_ms / max(1, crews[place].room(kind.channel, demand.units))
    return [math.floor(load) for load in places]


def _short(kind: Kind, kept: float | None) -> float:
    return 0.0 if kept is None else max(0.0, kind.share - kept)


def _shortfall(demand: Demand, kept: Sequence[float | None]) -> float:
    return sum(_short(kind, share) for kind, share in zip(demand.kinds, kept, strict=True))
