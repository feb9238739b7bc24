"""The exact steady state of a small pool in which not everybody may take everything: first come, first served; longest idle first.

With Poisson arrivals, one exponential rate for each agent, and no one leaving, the order of the busy agents and the numbers of contacts
that wait between them have a product form: J. Visschers, I. Adan, G. Weiss, Queueing Systems 70 (2012); I. Adan, G. Weiss, Stochastic
Systems 4 (2014). It is summed here over all orders, so that the number of agents must be small. No simulation, no routing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillGraph:
    """`arrivals`: rate by class; `servers`: the classes that each may take; `rates`: of each server. Rates are per unit of time."""

    arrivals: Mapping[str, float]
    servers: Sequence[frozenset[str]]
    rates: Sequence[float]


def mean_waits(graph: SkillGraph) -> dict[str, float]:
    """The mean wait of each class. The pool must be able to keep up.

    A state: the busy servers in the order in which what they are at arrived, and between two of them (and after the last) the contacts that
    wait and that only those before could take. The k-th gap holds a geometric number of contacts, of the classes that only the first k
    servers may take; the idle servers stand in the order in which they became idle. Little's law makes waits of mean numbers.
    """
    count = len(graph.servers)
    total = 0.0
    waiting = dict.fromkeys(graph.arrivals, 0.0)
    for busy in range(count + 1):
        for order in itertools.permutations(range(count)):
            weight, gaps = _weight(graph, order[:busy], order[busy:])
            total += weight
            for shares, length in gaps:
                for name, share in shares.items():
                    waiting[name] += weight * length * share
    return {name: waiting[name] / total / rate for name, rate in graph.arrivals.items()}


def _weight(
    graph: SkillGraph, busy: Sequence[int], idle: Sequence[int]
) -> tuple[float, list[tuple[dict[str, float], float]]]:
    """The state's weight, summed over all numbers of waiting contacts; and by gap the share of each class and the mean number."""
    weight = 1.0
    gaps: list[tuple[dict[str, float], float]] = []
    for captive, speed in _prefixes(graph, busy):
        rate = sum(captive.values())
        assert rate < speed, "the pool keeps up"
        weight /= speed - rate
        if rate:
            gaps.append(({name: value / rate for name, value in captive.items()}, rate / (speed - rate)))
    reachable: set[str] = set()
    # The longest idle is first; what the first k of them could take has come to none of them.
    for server in idle:
        reachable |= graph.servers[server]
        weight /= sum(rate for name, rate in graph.arrivals.items() if name in reachable)
    return weight, gaps


def _prefixes(graph: SkillGraph, busy: Sequence[int]) -> Iterator[tuple[dict[str, float], float]]:
    """For each gap: the rates of the classes that only the servers before it may take, and how quickly these work together."""
    for length in range(1, len(busy) + 1):
        before = frozenset(busy[:length])
        others = [graph.servers[server] for server in range(len(graph.servers)) if server not in before]
        captive = {name: rate for name, rate in graph.arrivals.items() if not any(name in skills for skills in others)}
        yield captive, sum(graph.rates[server] for server in before)
