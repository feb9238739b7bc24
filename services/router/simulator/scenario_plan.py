"""From a scenario to a plan: arrivals drawn along the curves, shifts as presences, and the pool's configuration with the people added.

The same seed draws the same customers whatever the configuration is, so that policies are compared on the same days.
"""

from __future__ import annotations

import datetime
import heapq
import zoneinfo
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from libs.common.configuration import Configuration
from libs.common.configuration.calendars import parse_days, parse_span
from libs.common.configuration.opening import openings_of
from libs.common.configuration.problems import suggest
from libs.common.errors import RefusedError
from libs.common.events.inputs import ConfigurePool, SetPresence
from libs.common.events.pool import AgentConfiguration
from services.router.core import limits
from services.router.pools import pool_configuration
from services.router.simulator.distributions import stream
from services.router.simulator.engine import Arrival
from services.router.simulator.plans import Habit, Plan, configured_over_time, set_presence
from services.router.simulator.poisson import Interval, a_contact, arrival_times
from services.router.simulator.scenario import Contacts, Scenario, Staff

_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
_AVAILABLE: Final = "available"
# Nobody drops what is in hand when a shift is over: no more offers come, and what was begun is finished.
_SHIFT_OVER: Final = "break"


class ScenarioUnfitError(RefusedError):
    """The scenario names what the configuration does not have."""


def plan_scenario(scenario: Scenario, configuration: Configuration, seed: int) -> Plan:
    """The plan of one run. Raises ScenarioUnfitError where scenario and configuration do not go together."""
    pool = scenario_pool(scenario, configuration)
    configured = staffed_configuration(scenario, configuration)
    openings = openings_of(configuration, pool)
    zone = scenario_zone(scenario, configuration)
    days = scenario_days(scenario)
    from_ms = instant_ms(days[0], 0, zone)
    to_ms = instant_ms(days[-1] + datetime.timedelta(days=1), 0, zone)
    return Plan(
        pool=pool,
        from_ms=from_ms,
        to_ms=to_ms,
        configurations=configured_over_time(configured, openings, from_ms, to_ms),
        presences=list(_presences(scenario, configured, days, zone, pool)),
        arrivals=list(
            heapq.merge(
                *(
                    list(_arrivals(contacts, number, pool, days, zone, seed))
                    for number, contacts in enumerate(scenario.contacts)
                ),
                key=lambda arrival: arrival.at_ms,
            )
        ),
        habit=Habit(
            delay=scenario.answers.after.distribution(),
            declines=scenario.answers.declined,
            ignores=scenario.answers.ignored,
        ),
        habits={},
        seed=seed,
        back_ms=scenario.answers.back,
    )


def scenario_pool(scenario: Scenario, configuration: Configuration) -> str:
    """The pool that the scenario plays in: the one that it names, or the only one that there is."""
    if scenario.pool is None:
        if len(configuration.pools) != 1:
            raise ScenarioUnfitError(f"the scenario must name its pool: one of {', '.join(configuration.pools)}")
        return next(iter(configuration.pools))
    if scenario.pool not in configuration.pools:
        raise ScenarioUnfitError(
            f"the scenario's pool {scenario.pool} is not in the configuration{suggest(scenario.pool, configuration.pools)}"
        )
    return scenario.pool


def scenario_zone(scenario: Scenario, configuration: Configuration) -> zoneinfo.ZoneInfo:
    """The time zone that its hours are meant in: its own, else the pool's."""
    pool = configuration.pools[scenario_pool(scenario, configuration)]
    return zoneinfo.ZoneInfo(scenario.timezone or pool.timezone)


def scenario_days(scenario: Scenario) -> list[datetime.date]:
    """Its days in order."""
    return [scenario.start + datetime.timedelta(days=number) for number in range(scenario.days)]


def configuration_path(scenario: Scenario, path: Path) -> Path:
    """Where the configuration of the scenario in the file `path` is."""
    return path.parent / scenario.configuration


def instant_ms(day: datetime.date, minute: int, zone: zoneinfo.ZoneInfo) -> int:
    """The moment at which clocks in this zone show so many minutes after midnight."""
    moment = datetime.datetime.combine(day, datetime.time.min) + datetime.timedelta(minutes=minute)
    return round(moment.replace(tzinfo=zone).timestamp() * 1000)


def staffed_configuration(scenario: Scenario, configuration: Configuration) -> ConfigurePool:
    """The pool as configured, with the scenario's further people."""
    pool = scenario_pool(scenario, configuration)
    configured = pool_configuration(configuration, pool)
    queues = [queue.id for queue in configured.queues]
    for place, contacts in enumerate(scenario.contacts):
        if contacts.queue not in queues:
            raise ScenarioUnfitError(
                f"contacts[{place}].queue: the pool {pool} has no queue {contacts.queue}{suggest(contacts.queue, queues)}"
            )
    known = [agent.id for agent in configured.agents]
    added: list[AgentConfiguration] = []
    for place, staff in enumerate(scenario.staff):
        for agent in staff.agents:
            if agent not in known:
                raise ScenarioUnfitError(
                    f"staff[{place}].agents: the pool {pool} has no agent {agent}{suggest(agent, known)}"
                )
        for agent in _added_names(staff):
            if agent in known or any(agent == other.id for other in added):
                raise ScenarioUnfitError(f"staff[{place}].name: there is an agent {agent} already")
            added.append(
                AgentConfiguration(
                    id=agent,
                    name=agent,
                    skills=dict(sorted(staff.skills.items())),
                    capacity=dict(sorted(staff.capacity.items())),
                )
            )
    return replace(configured, version=f"{configured.version}+{len(added)}", agents=(*configured.agents, *added))


def _added_names(staff: Staff) -> list[str]:
    return [f"{staff.name}-{number}" for number in range(1, (staff.count or 0) + 1)]


def _arrivals(
    contacts: Contacts, number: int, pool: str, days: Sequence[datetime.date], zone: zoneinfo.ZoneInfo, seed: int
) -> Iterator[Arrival]:
    times, handling, patience, wrap_up = (
        stream(seed, f"contacts/{number}/{what}") for what in ("times", "handling", "patience", "wrap-up")
    )
    handling_of = contacts.handling.distribution()
    patience_of = None if contacts.patience is None else contacts.patience.distribution()
    wrap_up_of = None if contacts.wrap_up is None else contacts.wrap_up.distribution()
    for count, at_ms in enumerate(arrival_times(contact_intervals(contacts, days, zone), times)):
        yield Arrival(
            at_ms=at_ms,
            event=a_contact(
                pool,
                f"con_{number}_{count}",
                queue=contacts.queue,
                channel=contacts.channel,
                at_ms=at_ms,
                skills=contacts.skills,
                priority=contacts.priority,
            ),
            handling_ms=handling_of.draw(handling),
            patience_ms=None if patience_of is None else patience_of.draw(patience),
            wrap_up_ms=None if wrap_up_of is None else min(wrap_up_of.draw(wrap_up), limits.WRAP_UP_MAX_MS),
        )


def contact_intervals(contacts: Contacts, days: Sequence[datetime.date], zone: zoneinfo.ZoneInfo) -> Iterator[Interval]:
    """The curve of one kind of contacts over these days, in order."""
    spans = sorted(
        ((parse_span(text), rate) for text, rate in contacts.per_hour.items()), key=lambda pair: pair[0].from_minute
    )
    for day in days:
        factor = contacts.factor(day.weekday())
        for span, rate in spans:
            yield Interval(
                from_ms=instant_ms(day, span.from_minute, zone),
                to_ms=instant_ms(day, span.to_minute, zone),
                rate_per_ms=rate * factor / _HOUR_MS,
            )


def _presences(
    scenario: Scenario,
    configured: ConfigurePool,
    days: Sequence[datetime.date],
    zone: zoneinfo.ZoneInfo,
    pool: str,
) -> Iterator[tuple[int, SetPresence]]:
    """Who is available when. Without any `staff`, everybody of the configuration, all the time."""
    changes: list[tuple[int, int, str]] = []  # Ends stand before beginnings of the same moment.
    for staff in scenario.staff:
        for from_ms, to_ms in shift_spans(staff, days, zone):
            for agent in (*staff.agents, *_added_names(staff)):
                changes += [(from_ms, 1, agent), (to_ms, 0, agent)]
    if not scenario.staff:
        changes = [(instant_ms(days[0], 0, zone), 1, agent.id) for agent in configured.agents]
    changes.sort()
    for number, (at_ms, begins, agent) in enumerate(changes):
        yield at_ms, set_presence(pool, agent, _AVAILABLE if begins else _SHIFT_OVER, number)


def shift_spans(staff: Staff, days: Sequence[datetime.date], zone: zoneinfo.ZoneInfo) -> Iterator[tuple[int, int]]:
    """When these people are there, from and to."""
    for day in days:
        for text, spans in staff.shifts.items():
            if day.weekday() in parse_days(text):
                for span in spans:
                    yield instant_ms(day, span.from_minute, zone), instant_ms(day, span.to_minute, zone)
