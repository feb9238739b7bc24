"""Demand: how many contacts of which kind come in which interval, how long each keeps a place of somebody's busy, and what is promised.

Taken from a scenario or from a recording; staffing asks how many people it needs.
"""

from __future__ import annotations

import datetime
import statistics
import zoneinfo
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from libs.common.configuration import Configuration
from libs.common.errors import RefusedError
from libs.common.events.inputs import ConfigurePool
from libs.common.events.pool import ChannelConfiguration, QueueConfiguration
from services.router.core import policies
from services.router.simulator.distributions import Distribution, Fixed, Observed, stream
from services.router.simulator.recording import Recording
from services.router.simulator.scenario import Contacts, Promise, Scenario
from services.router.simulator.scenario_plan import (
    contact_intervals,
    instant_ms,
    scenario_days,
    scenario_zone,
    staffed_configuration,
)

_DAY_MINUTES: Final = 24 * 60
_MINUTE_MS: Final = 60_000
_DRAWS: Final = 2_000

# Queue, channel, and the skills that contacts ask for beyond their queue's.
_Place = tuple[str, str, tuple[tuple[str, int], ...]]


class NoDemandError(RefusedError):
    """Nobody comes, so that nobody is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Contacts that are alike. `handling` is of the conversation, `wrap_up` what follows; `answer` is how long an offer is open before
    it is accepted, which keeps a place busy too. Promised: `share` of them answered within `within_ms`.
    """

    queue: str
    channel: str
    skills: Mapping[str, int]
    priority: int | None
    handling: Distribution
    wrap_up: Distribution
    answer: Distribution
    patience: Distribution | None
    share: float
    within_ms: int

    @property
    def busy_ms(self) -> float:
        """How long one of them keeps a place busy, on average."""
        return self.handling.mean_ms + self.wrap_up.mean_ms + self.answer.mean_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """An interval with its rates, per millisecond, in the order of the kinds. `begin` and `end` as clocks show them; `day`: empty where it
    is any day.
    """

    day: str
    begin: str
    end: str
    rates: tuple[float, ...]

    @property
    def label(self) -> str:
        """Day and beginning."""
        return f"{self.day} {self.begin}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Everything that staffing is worked out of. Periods in which nobody comes are left out."""

    configured: ConfigurePool
    kinds: Sequence[Kind]
    periods: Sequence[Period]

    @property
    def units(self) -> dict[str, int]:
        """How many of an agent's units a contact uses, by channel."""
        return {channel.id: channel.units for channel in self.configured.channels if channel.units > 0}


def scenario_demand(scenario: Scenario, configuration: Configuration) -> Demand:
    """The demand of a scenario, by its own intervals. Raises ScenarioUnfitError and NoDemandError."""
    configured = staffed_configuration(scenario, configuration)
    zone, days = scenario_zone(scenario, configuration), scenario_days(scenario)
    step = max(1, scenario.interval // _MINUTE_MS)
    curves = [list(contact_intervals(contacts, days, zone)) for contacts in scenario.contacts]
    periods = []
    for day in days:
        for minute in range(0, _DAY_MINUTES, step):
            begin, end = instant_ms(day, minute, zone), instant_ms(day, min(minute + step, _DAY_MINUTES), zone)
            rates = tuple(
                sum(
                    interval.rate_per_ms * max(0, min(end, interval.to_ms) - max(begin, interval.from_ms))
                    for interval in curve
                )
                / (end - begin)
                for curve in curves
            )
            if any(rates):
                periods.append(_period(f"{day:%a %d %b}", minute, step, rates))
    if not periods:
        raise NoDemandError
    kinds = [_scenario_kind(scenario, contacts, configured) for contacts in scenario.contacts]
    return Demand(configured=configured, kinds=kinds, periods=periods)


def _period(day: str, minute: int, step: int, rates: tuple[float, ...]) -> Period:
    return Period(day=day, begin=_clock(minute), end=_clock(min(minute + step, _DAY_MINUTES)), rates=rates)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _scenario_kind(scenario: Scenario, contacts: Contacts, configured: ConfigurePool) -> Kind:
    queue = next(queue for queue in configured.queues if queue.id == contacts.queue)
    longest = policies.wrap_up_ms(queue, _channel(configured, contacts.channel))
    promise = scenario.promises.get(contacts.queue, Promise())
    return Kind(
        queue=contacts.queue,
        channel=contacts.channel,
        skills=contacts.skills,
        priority=contacts.priority,
        handling=contacts.handling.distribution(),
        wrap_up=_wrap_up(contacts, longest),
        answer=scenario.answers.after.distribution(),
        patience=None if contacts.patience is None else contacts.patience.distribution(),
        share=promise.share,
        within_ms=promise.within or _target_ms(queue, contacts.channel, contacts.priority, configured),
    )


def _wrap_up(contacts: Contacts, longest_ms: int | None) -> Distribution:
    """What of the wrap-up is used: as long as the agent needs, and no longer than there is. `longest_ms` None: without an end."""
    if contacts.wrap_up is None:
        return Fixed(longest_ms or 0)
    drawn, chance = contacts.wrap_up.distribution(), stream(0, "wrap-up")
    lengths = [drawn.draw(chance) for _ in range(_DRAWS)]
    return Observed(lengths if longest_ms is None else [min(length, longest_ms) for length in lengths])


def _channel(configured: ConfigurePool, name: str) -> ChannelConfiguration | None:
    return next((channel for channel in configured.channels if channel.id == name), None)


def _target_ms(queue: QueueConfiguration, channel: str, priority: int | None, configured: ConfigurePool) -> int:
    targets = dict(configured.channel_targets_ms)
    return policies.target_ms(queue, channel, policies.bounded_priority(priority, queue), targets)


def _beyond(asked: Mapping[str, int], queue: QueueConfiguration) -> dict[str, int]:
    return {skill: level for skill, level in sorted(asked.items()) if level > queue.skills.get(skill, 0)}


def recording_demand(
    recording: Recording, configured: ConfigurePool, *, interval_ms: int, zone: zoneinfo.ZoneInfo, promise: Promise
) -> Demand:
    """The demand of a recorded time: an average day by intervals, over the days in which anybody came. Raises NoDemandError."""
    step = max(1, interval_ms // _MINUTE_MS)
    queues = {queue.id: queue for queue in configured.queues}
    counts: dict[_Place, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    busy: dict[_Place, list[int]] = defaultdict(list)
    days: dict[datetime.date, None] = {}
    for visit in recording.journal.visits.values():
        if not recording.from_ms <= visit.received_ms < recording.to_ms:
            continue
        moment = datetime.datetime.fromtimestamp(visit.received_ms / 1000, zone)
        days[moment.date()] = None
        life, queue = recording.lives.get(visit.contact_id), queues.get(visit.queue)
        asked = {} if life is None or queue is None else _beyond(life.queued.asked, queue)
        place = (visit.queue, visit.channel, tuple(asked.items()))
        counts[place][(moment.hour * 60 + moment.minute) // step * step] += 1
        if visit.assigned_ms is not None and visit.resolved_ms is not None:
            busy[place].append(visit.resolved_ms - visit.assigned_ms)
    places = sorted(place for place in counts if place[0] in queues and busy[place])
    if not places:
        raise NoDemandError("no contact of a queue that is configured was finished in this time")
    answers = [delay for delays in recording.delays.values() for delay in delays]
    kinds = [
        Kind(
            queue=name,
            channel=channel,
            skills=dict(asked),
            priority=None,
            handling=Observed(busy[name, channel, asked]),
            wrap_up=Fixed(0),  # Until it was resolved, the wrap-up included.
            answer=Fixed(round(statistics.fmean(answers)) if answers else 0),
            patience=None,
            share=promise.share,
            within_ms=promise.within or _target_ms(queues[name], channel, None, configured),
        )
        for name, channel, asked in places
    ]
    periods = []
    for minute in range(0, _DAY_MINUTES, step):
        length_ms = min(step, _DAY_MINUTES - minute) * _MINUTE_MS
        rates = tuple(counts[place][minute] / len(days) / length_ms for place in places)
        if any(rates):
            periods.append(_period("", minute, step, rates))
    return Demand(configured=configured, kinds=kinds, periods=periods)
