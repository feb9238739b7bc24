"""The formulas, against values from the literature and against other ways to compute the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import linalg, stats

from services.router.simulator import theory
from services.router.simulator.skill_graphs import SkillGraph, mean_waits


@pytest.mark.parametrize(
    ("servers", "load", "expected"),
    [
        (2, 1.0, 0.333333),
        (3, 2.0, 0.444444),
        (5, 4.0, 0.554113),
        (10, 8.0, 0.409180),
        (20, 18.0, 0.550769),
        (50, 48.0, 0.694456),
        (100, 95.0, 0.506457),
    ],
)
def test_erlang_c_gives_the_values_of_the_tables(servers: int, load: float, expected: float) -> None:
    assert theory.erlang_c(servers, load) == pytest.approx(expected, abs=5e-7)


def test_erlang_b_is_the_share_of_the_poisson_weights() -> None:
    weights = [8.0**count / math.factorial(count) for count in range(11)]

    assert theory.erlang_b(10, 8.0) == pytest.approx(weights[10] / sum(weights))


def test_fifty_agents_with_and_without_patience() -> None:
    # given 48 contacts a minute, a minute each, in seconds
    rate = 48 / 60

    # then
    assert theory.mean_wait_c(50, rate, 60) == pytest.approx(20.83, abs=0.005)
    steady = theory.erlang_a(50, rate, 60, 120)
    assert steady.waiting_share == pytest.approx(0.46777, abs=5e-6)
    assert steady.leaving_share == pytest.approx(0.03091, abs=5e-6)
    assert steady.wait == pytest.approx(3.709, abs=5e-4)
    assert steady.occupancy == pytest.approx(0.9303, abs=5e-5)


def test_patience_without_end_is_erlang_c() -> None:
    steady = theory.erlang_a(10, 8.0, 1.0, 1e7, 0.25)

    assert steady.waiting_share == pytest.approx(theory.erlang_c(10, 8.0), rel=1e-5)
    assert steady.wait == pytest.approx(theory.mean_wait_c(10, 8.0, 1.0), rel=1e-5)
    assert steady.within == pytest.approx(theory.answered_within_c(10, 8.0, 1.0, 0.25), rel=1e-5)


def test_who_is_answered_in_time_comes_out_the_same_by_integration() -> None:
    # given three agents who cannot keep up
    servers, rate, handling, patience, within = 3, 4.0, 1.0, 0.8, 0.4

    # when the chance that somebody who finds `ahead` waiting is served before `within` and before losing patience is integrated over the
    # density of his wait, which is that of a sum of exponential times, by small steps of the chain's own differential equation
    weights, weight, ahead = [1.0], 1.0, 0
    while weight > 1e-14:
        ahead += 1
        weight *= rate / (servers / handling + ahead / patience)
        weights.append(weight)
    steps = 4000
    step = within / steps
    standing = weights[:]  # By number of contacts ahead of the one we follow, who is not lost yet at this time.
    answered = 0.0
    for index in range(steps):
        alive = math.exp(-(index + 0.5) * step / patience)
        rates = [servers / handling + place / patience for place in range(len(standing))]
        flow = [here * (1 - math.exp(-speed * step)) for here, speed in zip(standing, rates, strict=True)]
        answered += flow[0] * alive
        standing = [
            here - out + (flow[place + 1] if place + 1 < len(flow) else 0.0)
            for place, (here, out) in enumerate(zip(standing, flow, strict=True))
        ]
    below, weight = 0.0, 1.0
    for count in range(servers, 0, -1):
        weight *= count / handling / rate
        below += weight
    expected = (below + answered) / (below + sum(weights))

    # then
    assert theory.erlang_a(servers, rate, handling, patience, within).within == pytest.approx(expected, rel=2e-3)


def test_priorities_give_the_values_of_the_literature() -> None:
    waits = theory.cobham(10, [3.0, 3.0, 3.0], 1.0)

    assert waits == pytest.approx([0.09553, 0.23883, 1.67183], abs=5e-6)
    assert theory.mean_wait_c(10, 9.0, 1.0) == pytest.approx(0.66873, abs=5e-6)


def test_priorities_conserve_the_mean() -> None:
    rates = [0.5, 1.0, 0.7]

    assert theory.conserved(rates, theory.cobham(3, rates, 1.0)) == pytest.approx(theory.mean_wait_c(3, 2.2, 1.0))


def test_one_server_with_exponential_times_is_erlang_c() -> None:
    assert theory.mean_wait_one_server(0.7, 1.0, 1.0) == pytest.approx(theory.mean_wait_c(1, 0.7, 1.0))


def test_a_load_that_is_too_high_waits_for_ever() -> None:
    assert theory.mean_wait_c(3, 3.0, 1.0) == math.inf
    assert theory.mean_wait_one_server(1.0, 1.0, 1.0) == math.inf
    assert theory.answered_within_c(3, 3.0, 1.0, 100.0) == 0.0


def test_a_graph_in_which_everybody_takes_everything_is_erlang_c() -> None:
    graph = SkillGraph(arrivals={"a": 1.0, "b": 0.8}, servers=[frozenset("ab")] * 3, rates=[1.0] * 3)

    expected = theory.mean_wait_c(3, 1.8, 1.0)
    assert mean_waits(graph) == pytest.approx({"a": expected, "b": expected})


def test_a_graph_of_separate_parts_is_each_by_itself() -> None:
    graph = SkillGraph(
        arrivals={"a": 0.5, "b": 1.5}, servers=[frozenset("a"), frozenset("b"), frozenset("b")], rates=[1.0] * 3
    )

    assert mean_waits(graph) == pytest.approx(
        {"a": theory.mean_wait_c(1, 0.5, 1.0), "b": theory.mean_wait_c(2, 1.5, 1.0)}
    )


def test_many_patient_customers_of_few_agents_come_out_as_numbers() -> None:
    # given three times as much as can be done, and customers who stay for a day
    steady = theory.erlang_a(100, 300 / 60, 60, 86_400, 20)

    # then all are busy, and two in three leave in the end
    assert steady.occupancy == pytest.approx(1.0)
    assert steady.leaving_share == pytest.approx(2 / 3)
    assert steady.within == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("load", [0.001, 0.95, 10.0, 190.0, 900.0])
@pytest.mark.parametrize("spare", [1, 5, 30])
def test_erlang_c_is_what_the_poisson_distribution_makes_of_it(load: float, spare: int) -> None:
    servers, handling = math.floor(load) + spare, 240.0
    blocked = float(stats.poisson.pmf(servers, load) / stats.poisson.cdf(servers, load))
    waits = servers * blocked / (servers - load * (1 - blocked))

    assert theory.erlang_c(servers, load) == pytest.approx(waits, abs=1e-12)
    for within in (0.0, 20.0, 600.0):
        answered = 1 - waits * math.exp(-(servers - load) * within / handling)
        assert theory.answered_within_c(servers, load / handling, handling, within) == pytest.approx(answered, abs=1e-9)


@pytest.mark.parametrize("load", [0.05, 0.9, 3.0, 9.0])
@pytest.mark.parametrize("spare", [-1, 0, 2])
@pytest.mark.parametrize("patience", [2.4, 48.0, 240.0])
def test_erlang_a_is_what_the_chain_comes_to(load: float, spare: int, patience: float) -> None:
    """The chain's own equations: its steady state, and for each place in the line the chance of being served before so long."""
    servers, handling, within = max(1, math.floor(load) + spare), 240.0, 20.0
    rate, leaving, arrivals = 1 / handling, 1 / patience, load / handling
    longest = servers + 80
    weights = [1.0]
    for count in range(1, longest + 1):
        weights.append(weights[-1] * arrivals / (min(count, servers) * rate + max(0, count - servers) * leaving))
    whole = sum(weights)
    # The last two states: served, left.
    places = longest - servers + 1
    moves = np.zeros((places + 2, places + 2))
    for ahead in range(places):
        onward = servers * rate + ahead * leaving
        moves[ahead, ahead - 1 if ahead else places] += onward
        moves[ahead, places + 1] += leaving
        moves[ahead, ahead] -= onward + leaving
    served = linalg.expm(moves * within)[:places, places]
    answered = (sum(weights[:servers]) + float(np.dot(weights[servers:], served))) / whole

    steady = theory.erlang_a(servers, arrivals, handling, patience, within)

    assert steady.waiting_share == pytest.approx(sum(weights[servers:]) / whole, abs=1e-9)
    assert steady.within == pytest.approx(answered, abs=1e-7)
