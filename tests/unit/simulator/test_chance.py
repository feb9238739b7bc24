"""Distributions, arrivals and estimates."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter

import pytest

from services.router.simulator.distributions import Distribution, Exponential, Fixed, LogNormal, Observed, stream
from services.router.simulator.estimates import Estimate, batch_means, of_runs
from services.router.simulator.poisson import Interval, arrival_times


@pytest.mark.parametrize(
    ("distribution", "sd"),
    [
        (Fixed(5_000), 0.0),
        (Exponential(5_000.0), 5_000.0),
        (LogNormal(5_000.0, 2_000.0), 2_000.0),
        (Observed((1_000, 2_000, 6_000)), statistics.pstdev((1_000, 2_000, 6_000))),
    ],
)
def test_lengths_have_the_mean_and_the_spread_asked_for(distribution: Distribution, sd: float) -> None:
    chance = stream(1, "test")
    lengths = [distribution.draw(chance) for _ in range(20_000)]

    assert statistics.fmean(lengths) == pytest.approx(distribution.mean_ms, abs=3 * sd / math.sqrt(20_000) + 0.5)
    assert statistics.pstdev(lengths) == pytest.approx(sd, rel=0.05, abs=0.5)
    assert min(lengths) >= 0


def test_streams_of_one_seed_are_independent_and_repeatable() -> None:
    assert stream(1, "arrivals").random() == stream(1, "arrivals").random()
    assert len({stream(seed, name).random() for seed in (1, 2) for name in ("arrivals", "handling")}) == 4


def test_arrivals_follow_the_curve() -> None:
    # given an hour at 2 per second, an hour of nothing, an hour at 1 per second
    hour = 3_600_000
    rates = (0.002, 0.0, 0.001)
    curve = [
        Interval(from_ms=number * hour, to_ms=(number + 1) * hour, rate_per_ms=rate)
        for number, rate in enumerate(rates)
    ]

    # when
    times = list(arrival_times(curve, stream(3, "arrivals")))

    # then each hour has what is to be expected, within three standard deviations of a Poisson count
    counts = Counter(time // hour for time in times)
    assert times == sorted(times)
    for number, rate in enumerate(rates):
        expected = rate * hour
        assert counts[number] == pytest.approx(expected, abs=3 * math.sqrt(expected))


def test_gaps_are_exponential() -> None:
    times = list(arrival_times([Interval(from_ms=0, to_ms=40_000_000, rate_per_ms=0.001)], stream(4, "gaps")))
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]

    # The share of gaps that are longer than t is e^-t.
    for times_mean in (0.5, 1.0, 2.0):
        share = sum(gap > 1_000 * times_mean for gap in gaps) / len(gaps)
        assert share == pytest.approx(math.exp(-times_mean), abs=0.01)


def test_batches_leave_out_the_beginning() -> None:
    # given 25 batches of 2, and one value too many in front
    estimate = batch_means([1_000.0, *([1.0, 3.0] * 25)])

    assert (estimate.mean, estimate.error, estimate.count) == (2.0, 0.0, 50)


def test_the_error_of_runs_is_that_of_their_mean() -> None:
    estimate = of_runs([1.0, 2.0, 3.0, 4.0])

    assert estimate.mean == 2.5
    assert estimate.error == pytest.approx(statistics.stdev([1, 2, 3, 4]) / 2)
    assert estimate.distance(2.5) == 0.0


def test_without_an_error_only_the_same_is_near() -> None:
    estimate = Estimate(mean=1.0, error=0.0, count=2)

    assert estimate.distance(1.0) == 0.0
    assert estimate.distance(1.1) == math.inf
