"""Queueing theory in closed form: what simple contact centres must do, whoever routes. No simulation and no routing here.

Rates are per unit of time, whatever the unit is; times come out in the same unit. `servers` handle one contact at a time. Used by the
proof (which compares the router with it) and by staffing.

Sources: A. K. Erlang (1917) for B and C; C. Palm (1946) and Garnett, Mandelbaum, Reiman, Manufacturing & Service Operations Management 4
(2002) for A; A. Cobham, Operations Research 2 (1954) for priorities; F. Pollaczek (1930) and A. Khinchine (1932) for one server.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_NEGLIGIBLE: Final = 1e-16
# Weights of states are relative to one another; what grows beyond this is scaled down, all alike.
_LARGE: Final = 1e200


def erlang_b(servers: int, load: float) -> float:
    """The share of contacts that find everybody busy, where nobody waits. `load`: arrival rate times mean handling time."""
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """The share of contacts that wait, where everybody does who must; 1 where the load is too high for the servers."""
    if load >= servers:
        return 1.0
    blocked = erlang_b(servers, load)
    return servers * blocked / (servers - load * (1 - blocked))


def mean_wait_c(servers: int, arrivals: float, handling: float) -> float:
    """The mean wait of all contacts, with exponential handling times and nobody leaving; infinite where it grows without end."""
    load = arrivals * handling
    if load >= servers:
        return math.inf
    return erlang_c(servers, load) * handling / (servers - load)


def answered_within_c(servers: int, arrivals: float, handling: float, within: float) -> float:
    """The share of contacts that are answered within this time."""
    load = arrivals * handling
    if load >= servers:
        return 0.0
    return 1 - erlang_c(servers, load) * math.exp(-(servers - load) / handling * within)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErlangA:
    """Steady state with exponential patience. `wait` is the mean over all contacts, those that leave included."""

    waiting_share: float
    leaving_share: float
    wait: float
    occupancy: float
    within: float


def erlang_a(servers: int, arrivals: float, handling: float, patience: float, within: float = 0.0) -> ErlangA:
    """M/M/n+M: every waiting customer leaves after an exponential time of mean `patience`. `within`: the share answered in that time.

    The chain of the number of contacts goes up with `arrivals` and down with the rate of everybody busy plus that of leaving. Who finds q
    waiting is served after a sum of exponential times whose e^-v, scaled by the patience, is Beta distributed.
    """
    rate, leaving = 1 / handling, 1 / patience
    # `all_busy`: the weight of the state in which all are busy and nobody waits.
    below, weight, all_busy = 0.0, 1.0, 1.0
    below_busy = 0.0
    for count in range(servers, 0, -1):
        weight *= count * rate / arrivals
        below += weight
        below_busy += weight * (count - 1)
        if below > _LARGE:
            below, below_busy, weight, all_busy = (value / _LARGE for value in (below, below_busy, weight, all_busy))
    ahead, waiting, queued, answered = 0, 0.0, 0.0, 0.0
    weight = all_busy
    ratio = servers * rate / leaving
    first = math.exp(-leaving * within)
    # I_x(a, 1) = x^a, and I_x(a, b+1) = I_x(a, b) + x^a (1-x)^b / (b B(a, b)).
    incomplete, term = first ** (ratio + 1), first ** (ratio + 1)
    while weight > _NEGLIGIBLE * (below + waiting):
        waiting += weight
        queued += weight * ahead
        answered += weight * ratio / (ratio + ahead + 1) * (1 - incomplete)
        ahead += 1
        term *= (1 - first) * (ratio + ahead) / ahead
        incomplete += term
        weight *= arrivals / (servers * rate + ahead * leaving)
        if weight > _LARGE:
            below, below_busy, waiting = below / _LARGE, below_busy / _LARGE, waiting / _LARGE
            queued, answered, weight = queued / _LARGE, answered / _LARGE, weight / _LARGE
    whole = below + waiting
    leaving_share = queued / whole * leaving / arrivals
    return ErlangA(
        waiting_share=waiting / whole,
        leaving_share=leaving_share,
        wait=queued / whole / arrivals,
        occupancy=(below_busy / servers + waiting) / whole,
        within=(below + answered) / whole,
    )


def cobham(servers: int, arrivals: Sequence[float], handling: float) -> list[float]:
    """Mean waits by class, the most urgent first, where a free server takes the first of the most urgent class and finishes it."""
    busy = erlang_c(servers, sum(arrivals) * handling)
    waits, above = [], 0.0
    for rate in arrivals:
        upto = above + rate * handling / servers
        waits.append(busy * handling / servers / ((1 - above) * (1 - upto)))
        above = upto
    return waits


def conserved(arrivals: Sequence[float], waits: Sequence[float]) -> float:
    """The mean wait over all classes: with equal handling times, no order of service changes it."""
    return sum(rate * wait for rate, wait in zip(arrivals, waits, strict=True)) / sum(arrivals)


def mean_wait_one_server(arrivals: float, handling: float, sd: float) -> float:
    """Pollaczek-Khinchine: one server, any distribution of handling times with this mean and standard deviation."""
    load = arrivals * handling
    return math.inf if load >= 1 else load * handling * (1 + (sd / handling) ** 2) / (2 * (1 - load))
