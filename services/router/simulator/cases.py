"""Contact centres so simple that theory says exactly what must come out, and what it says. The table that the proof goes over.

Times are in milliseconds, rates per millisecond; the mean handling time is a minute everywhere. Says what to simulate and what to expect;
`proof` does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.router.simulator import skill_graphs, theory
from services.router.simulator.distributions import Distribution, Exponential, Fixed, LogNormal

MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS
WITHIN_MS: Final = 20_000

# Nobody in any case waits for so long, so that a queue whose target is later by this is served only when no other waits.
FAR_APART_MS: Final = 7 * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must come out: `measure` is wait, waiting, leaving, within or occupancy; of one queue, or of all (None). `unit`: s or share."""

    measure: str
    value: float
    queue: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One simple contact centre. `arrivals` and `targets_ms` by queue; `skills`: the queues that each agent may take (None: all)."""

    family: str
    name: str
    servers: int
    arrivals: Mapping[str, float]
    handling: Distribution
    expected: Sequence[Expected]
    patience: Distribution | None = None
    targets_ms: Mapping[str, int]
    skills: Sequence[frozenset[str]] | None = None


_EXPONENTIAL: Final = Exponential(float(MINUTE_MS))


def erlang_c_case(servers: int, load: float) -> Case:
    """M/M/n: nobody leaves."""
    rate = load / MINUTE_MS
    return Case(
        family="Erlang C",
        name=f"{servers} agents, load {load:g}",
        servers=servers,
        arrivals={"all": rate},
        targets_ms={"all": WITHIN_MS},
        handling=_EXPONENTIAL,
        expected=(
            Expected(measure="waiting", value=theory.erlang_c(servers, load)),
            Expected(measure="wait", value=theory.mean_wait_c(servers, rate, MINUTE_MS)),
            Expected(measure="within", value=theory.answered_within_c(servers, rate, MINUTE_MS, WITHIN_MS)),
            Expected(measure="occupancy", value=load / servers),
        ),
    )


def erlang_a_case(servers: int, load: float, patience_minutes: float) -> Case:
    """M/M/n+M: who waits leaves after an exponential time."""
    rate, patience_ms = load / MINUTE_MS, patience_minutes * MINUTE_MS
    steady = theory.erlang_a(servers, rate, MINUTE_MS, patience_ms, WITHIN_MS)
    return Case(
        family="Erlang A",
        name=f"{servers} agents, load {load:g}, patience {patience_minutes:g} min",
        servers=servers,
        arrivals={"all": rate},
        targets_ms={"all": WITHIN_MS},
        handling=_EXPONENTIAL,
        patience=Exponential(patience_ms),
        expected=(
            Expected(measure="waiting", value=steady.waiting_share),
            Expected(measure="leaving", value=steady.leaving_share),
            Expected(measure="wait", value=steady.wait),
            Expected(measure="within", value=steady.within),
            Expected(measure="occupancy", value=steady.occupancy),
        ),
    )


def erlang_b_case(servers: int, load: float, handling: Distribution, word: str) -> Case:
    """M/G/n/n: who cannot be taken at once is gone, and how handling times vary makes no difference."""
    return Case(
        family="Erlang B",
        name=f"{servers} agents, load {load:g}, {word} handling",
        servers=servers,
        arrivals={"all": load / MINUTE_MS},
        targets_ms={"all": WITHIN_MS},
        handling=handling,
        patience=Fixed(0),
        expected=(Expected(measure="leaving", value=theory.erlang_b(servers, load)),),
    )


def priority_case(servers: int, loads: Sequence[float]) -> Case:
    """Queues whose targets lie far apart: the first class always goes before the second, and so on."""
    rates = [load / MINUTE_MS for load in loads]
    waits = theory.cobham(servers, rates, MINUTE_MS)
    names = [f"class {number}" for number in range(1, len(loads) + 1)]
    same = theory.mean_wait_c(servers, sum(rates), MINUTE_MS)
    return Case(
        family="Cobham",
        name=f"{servers} agents, loads {', '.join(f'{load:g}' for load in loads)}",
        servers=servers,
        arrivals=dict(zip(names, rates, strict=True)),
        targets_ms={name: number * FAR_APART_MS for number, name in enumerate(names)},
        handling=_EXPONENTIAL,
        expected=(
            *(Expected(measure="wait", value=wait, queue=name) for name, wait in zip(names, waits, strict=True)),
            Expected(measure="wait", value=same),
        ),
    )


def due_time_case(servers: int, loads: Sequence[float], targets_ms: Sequence[int]) -> Case:
    """Queues with targets near to one another: who waits how long no formula says, but the mean over all is what it is without targets."""
    rates = {f"target {target // 1000} s": load / MINUTE_MS for load, target in zip(loads, targets_ms, strict=True)}
    return Case(
        family="Conservation",
        name=f"{servers} agents, loads {', '.join(f'{load:g}' for load in loads)}, by due time",
        servers=servers,
        arrivals=rates,
        targets_ms=dict(zip(rates, targets_ms, strict=True)),
        handling=_EXPONENTIAL,
        expected=(
            Expected(measure="wait", value=theory.mean_wait_c(servers, sum(rates.values()), MINUTE_MS)),
            Expected(measure="waiting", value=theory.erlang_c(servers, sum(loads))),
        ),
    )


def one_server_case(load: float, handling: Distribution, sd_ms: float, word: str) -> Case:
    """M/G/1: how handling times vary decides how long customers wait."""
    rate = load / MINUTE_MS
    return Case(
        family="Pollaczek-Khinchine",
        name=f"1 agent, load {load:g}, {word} handling",
        servers=1,
        arrivals={"all": rate},
        targets_ms={"all": WITHIN_MS},
        handling=handling,
        expected=(Expected(measure="wait", value=theory.mean_wait_one_server(rate, MINUTE_MS, sd_ms)),),
    )


def skills_case(word: str, loads: Mapping[str, float], skills: Sequence[str]) -> Case:
    """Agents who may take some queues and not others; everybody equally quick, every queue with the same target."""
    rates = {name: load / MINUTE_MS for name, load in loads.items()}
    graph = skill_graphs.SkillGraph(
        arrivals=rates, servers=[frozenset(letters) for letters in skills], rates=[1 / MINUTE_MS] * len(skills)
    )
    waits = skill_graphs.mean_waits(graph)
    return Case(
        family="Skills",
        name=f"{word}: agents {', '.join(skills)}; loads {', '.join(f'{name} {load:g}' for name, load in loads.items())}",
        servers=len(skills),
        arrivals=rates,
        targets_ms=dict.fromkeys(rates, WITHIN_MS),
        skills=graph.servers,
        handling=_EXPONENTIAL,
        expected=tuple(Expected(measure="wait", value=wait, queue=name) for name, wait in waits.items()),
    )


def all_cases() -> tuple[Case, ...]:
    """The whole table."""
    varied = LogNormal(MINUTE_MS, 1.5 * MINUTE_MS)
    return (
        *(
            erlang_c_case(*pair)
            for pair in ((2, 1.0), (3, 2.0), (5, 4.0), (10, 8.0), (20, 18.0), (50, 48.0), (100, 95.0))
        ),
        erlang_a_case(50, 48.0, 2.0),
        erlang_a_case(5, 4.0, 3.0),
        erlang_a_case(10, 12.0, 1.0),
        erlang_a_case(100, 110.0, 0.5),
        erlang_b_case(10, 8.0, _EXPONENTIAL, "exponential"),
        erlang_b_case(10, 8.0, varied, "log-normal"),
        erlang_b_case(5, 6.0, Fixed(MINUTE_MS), "fixed"),
        priority_case(10, (3.0, 3.0, 3.0)),
        priority_case(1, (0.3, 0.4)),
        priority_case(3, (1.0, 0.5, 1.0)),
        due_time_case(10, (3.0, 3.0, 3.0), (20_000, 60_000, 180_000)),
        due_time_case(3, (1.0, 1.5), (5_000, 300_000)),
        one_server_case(0.7, Fixed(MINUTE_MS), 0.0, "fixed"),
        one_server_case(0.7, _EXPONENTIAL, MINUTE_MS, "exponential"),
        one_server_case(0.6, varied, 1.5 * MINUTE_MS, "log-normal"),
        skills_case("N", {"a": 0.8, "b": 0.7}, ("a", "ab")),
        skills_case("W", {"a": 0.7, "b": 1.2}, ("a", "ab", "b")),
        skills_case("chain", {"a": 0.8, "b": 0.8, "c": 0.6}, ("ab", "bc", "ca")),
        skills_case("specialists and an all-rounder", {"a": 1.0, "b": 0.6, "c": 0.4}, ("a", "ab", "b", "abc")),
    )
