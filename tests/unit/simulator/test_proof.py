"""The router does what theory says: short runs of cases of every kind, with fixed seeds, within three standard errors."""

from __future__ import annotations

from typing import Final

import pytest

from services.router.simulator import cases
from services.router.simulator.cases import MINUTE_MS, Case
from services.router.simulator.distributions import Exponential, Fixed, LogNormal
from services.router.simulator.proof import simulate_case

CONTACTS: Final = 25_000
SEED: Final = 7

CASES: Final = (
    cases.erlang_c_case(3, 2.0),
    cases.erlang_c_case(10, 8.0),
    cases.erlang_c_case(20, 18.0),
    cases.erlang_a_case(50, 48.0, 2.0),
    cases.erlang_a_case(10, 12.0, 1.0),
    cases.erlang_b_case(10, 8.0, LogNormal(MINUTE_MS, 1.5 * MINUTE_MS), "log-normal"),
    cases.priority_case(10, (3.0, 3.0, 3.0)),
    cases.priority_case(1, (0.3, 0.4)),
    cases.due_time_case(3, (1.0, 1.5), (5_000, 300_000)),
    cases.one_server_case(0.7, Fixed(MINUTE_MS), 0.0, "fixed"),
    cases.skills_case("N", {"a": 0.8, "b": 0.7}, ("a", "ab")),
    cases.skills_case("W", {"a": 0.7, "b": 1.2}, ("a", "ab", "b")),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.family}: {case.name}")
def test_the_router_does_what_theory_says(case: Case) -> None:
    # when
    result = simulate_case(case, CONTACTS, SEED)

    # then
    found = {
        (one.expected.measure, one.expected.queue): (one.expected.value, one.found.mean, one.distance)
        for one in result.comparisons
    }
    assert {key: value for key, value in found.items() if abs(value[2]) > 3} == {}


def test_a_wrong_theory_is_found_out() -> None:
    # given priorities, and the claim that they do not exist
    right = cases.priority_case(10, (3.0, 3.0, 3.0))
    first_come = cases.due_time_case(10, (3.0, 3.0, 3.0), (20_000, 60_000, 180_000)).expected[0].value
    wrong = Case(
        family=right.family,
        name=right.name,
        servers=right.servers,
        arrivals=right.arrivals,
        handling=right.handling,
        targets_ms=right.targets_ms,
        expected=tuple(
            cases.Expected(measure="wait", value=first_come, queue=queue) for queue in ("class 1", "class 2")
        ),
    )

    # when
    result = simulate_case(wrong, 10_000, SEED)

    # then
    assert all(one.distance < -3 for one in result.comparisons)


def test_the_same_seed_gives_the_same_run_and_another_does_not() -> None:
    case = cases.erlang_a_case(5, 4.0, 3.0)

    first, again, other = (simulate_case(case, 2_000, seed).waits_ms for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_the_exponential_mean_is_the_one_asked_for() -> None:
    # given the same case with agents who are twice as slow as theory believes
    case = cases.erlang_b_case(10, 8.0, Exponential(2.0 * MINUTE_MS), "slow")

    # then far more leave
    assert simulate_case(case, 10_000, SEED).comparisons[0].distance > 3
