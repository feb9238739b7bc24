"""Scenarios: what a user may write, what is told when it is wrong, and the plan that comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from libs.common.configuration import Configuration, parse_configuration
from libs.common.configuration.load import load_configuration
from libs.common.configuration.problems import ConfigurationInvalidError
from services.router.simulator.measures import summarise
from services.router.simulator.plans import run_plan
from services.router.simulator.scenario import Scenario, load_scenario, parse_scenario
from services.router.simulator.scenario_plan import ScenarioUnfitError, configuration_path, plan_scenario

EXAMPLE: Final = Path(__file__).parents[3] / "deploy/examples/simulation/scenario.yaml"

CONFIGURATION: Final = """
pools: {care: {timezone: Europe/Rome}}
queues: {general: {pool: care, target: 60s}}
rules: [{queue: general}]
agents: {anna: {name: Anna, pool: care}}
"""
SCENARIO: Final = """
configuration: centralino.yaml
start: 2026-03-02
contacts:
  - {queue: general, channel: voice, per_hour: {"09:00-17:00": 12}, handling: {exponential: 3m}}
staff:
  - {agents: [anna], shifts: {mon-fri: ["08:00-18:00"]}}
"""


def a_configuration(text: str = CONFIGURATION) -> Configuration:
    return parse_configuration(text)


def a_scenario(**replaced: str) -> Scenario:
    text = SCENARIO
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    return parse_scenario(text)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationInvalidError) as refusal:
        parse_scenario(text, "s.yaml")
    return str(refusal.value).splitlines()


def test_the_example_can_be_simulated() -> None:
    scenario = load_scenario(EXAMPLE)
    configuration = load_configuration(configuration_path(scenario, EXAMPLE))
    plan = plan_scenario(scenario, configuration, 1)

    outcome = summarise("example", [run_plan(plan)], from_ms=plan.from_ms, to_ms=plan.to_ms)

    assert outcome.all.contacts == len(plan.arrivals) > 1_000
    assert outcome.all.service_level is not None
    assert outcome.all.service_level > 0.5
    # Three people of the configuration and one of the scenario, 8 and 6 hours a day.
    assert sum(agent.available_ms for agent in outcome.agents) == (3 * 8 + 6) * 5 * 3_600_000


def test_every_mistake_is_told_at_its_place() -> None:
    text = """\
configuration: centralino.yaml
start: 2026-13-02
contacts:
  - {queue: general, channel: fax, per_hour: {"09:00-25:00": 12}, handling: {exponential: 3}}
  - {queue: general, channel: voice, per_hour: 5, handling: {fixed: 3m, exponential: 3m}, pateince: {fixed: 1m}}
staff:
  - {name: more, shifts: {mon-fri: ["08:00-18:00"]}}
"""

    assert problems(text) == [
        "s.yaml:2:8: start: must be a day such as 2026-03-02",
        "s.yaml:4:31: contacts[0].channel: must be one of webchat, whatsapp, messenger, instagram, telegram, voice, sms, "
        "email, webform, api",
        "s.yaml:4:46: contacts[0].per_hour: 09:00-25:00: must be hours such as 09:00-13:00, in quotes",
        "s.yaml:4:91: contacts[0].handling.exponential: must be a duration such as 30s, 5m or 2h",
        "s.yaml:5:61: contacts[1].handling: must have one of fixed, exponential, lognormal and observed",
        "s.yaml:5:91: contacts[1].pateince: unknown key; did you mean patience?",
        "s.yaml:7:5: staff[0]: must have name and count together",
    ]


def test_a_text_that_is_no_yaml_is_told() -> None:
    assert problems("contacts: [")[0].startswith("s.yaml:1:12: not readable as YAML")


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        ('{"09:00-12:00": 5, "11:00-13:00": 5}', "the hours overlap"),
        ('{"09:00-12:00": -5}', "09:00-12:00: must be at least 0"),
        ("many", "must be a mapping"),
    ],
)
def test_a_curve_must_be_one(curve: str, message: str) -> None:
    text = SCENARIO.replace('{"09:00-17:00": 12}', curve)

    assert [line.partition("per_hour: ")[2] for line in problems(text)] == [message]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("queue: general", "queue: generall", "the pool care has no queue generall; did you mean general?"),
        ("agents: [anna]", "agents: [ana]", "the pool care has no agent ana; did you mean anna?"),
        ("start:", "pool: car\nstart:", "pool car is not in the configuration"),
        (
            "staff:",
            "staff:\n  - {name: x, count: 1, shifts: {}}\n  - {name: x, count: 1, shifts: {}}",
            "there is an agent x-1 already",
        ),
    ],
)
def test_what_the_configuration_does_not_have_is_told(old: str, new: str, message: str) -> None:
    scenario = parse_scenario(SCENARIO.replace(old, new))

    with pytest.raises(ScenarioUnfitError, match=message.replace("?", r"\?")):
        plan_scenario(scenario, a_configuration(), 1)


def test_hours_are_those_of_the_zone_and_customers_do_not_depend_on_the_people() -> None:
    # given a day in Rome, where it is an hour later than in UTC
    plan = plan_scenario(a_scenario(), a_configuration(), 1)
    nine_ms = 1_772_438_400_000  # 2026-03-02T08:00:00Z

    # then
    assert all(nine_ms <= arrival.at_ms < nine_ms + 8 * 3_600_000 for arrival in plan.arrivals)
    assert [at_ms for at_ms, _ in plan.presences] == [nine_ms - 3_600_000, nine_ms + 9 * 3_600_000]

    # and other people have the same customers, another seed has others
    more = plan_scenario(
        a_scenario(**{"staff:": "staff:\n  - {name: x, count: 3, shifts: {mon: ['09:00-10:00']}}"}),
        a_configuration(),
        1,
    )
    assert more.arrivals == plan.arrivals
    assert plan_scenario(a_scenario(), a_configuration(), 2).arrivals != plan.arrivals


def test_weekdays_multiply_the_curve() -> None:
    scenario = a_scenario(
        **{"contacts:": "days: 7\ncontacts:", "handling:": "weekdays: {tue: 0, sat-sun: 0}, handling:"}
    )
    plan = plan_scenario(scenario, a_configuration(), 1)

    days = {(arrival.at_ms - plan.from_ms) // 86_400_000 for arrival in plan.arrivals}
    assert days == {0, 2, 3, 4}


def test_a_shift_of_the_configuration_counts_as_time_available() -> None:
    # given an agent whose shift stands in the configuration, and a scenario without staff
    text = CONFIGURATION.replace(
        "agents: {anna: {name: Anna, pool: care}}",
        'agents: {anna: {name: Anna, pool: care, shift: {mon-fri: ["10:00-14:00"]}}}',
    )
    scenario = parse_scenario(SCENARIO.partition("staff:")[0])

    # when
    plan = plan_scenario(scenario, a_configuration(text), 1)
    journal = run_plan(plan)

    # then the four hours count, and nobody is offered anything outside them
    assert journal.agents["anna"].available_ms == 4 * 3_600_000
    ten_ms = plan.from_ms + 10 * 3_600_000
    assigned = [visit.assigned_ms for visit in journal.visits.values() if visit.assigned_ms is not None]
    assert assigned
    assert all(ten_ms <= at_ms <= ten_ms + 4 * 3_600_000 for at_ms in assigned)
