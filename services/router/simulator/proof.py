"""The proof: simulate each simple contact centre with the router's own core, and compare what comes out with theory.

Same seed, same result. Called by the command line, which writes the document, and by the tests, which run shorter ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from libs.common.events.inputs import AnyInput, ConfigurePool, SetPresence
from libs.common.events.pool import AgentConfiguration, QueueConfiguration
from services.router.simulator.cases import WITHIN_MS, Case, Expected
from services.router.simulator.distributions import stream
from services.router.simulator.engine import Arrival, Simulation
from services.router.simulator.estimates import BATCHES, Estimate, batch_means, of_runs
from services.router.simulator.journal import Journal, Visit
from services.router.simulator.poisson import Interval, a_contact, arrival_times

_POOL: Final = "proof"
_CHANNEL: Final = "voice"
_START_MS: Final = 1_000_000
_WARM_UP_SHARE: Final = 0.05
_CHANCES: Final = ("arrivals", "classes", "handling", "patience")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One measure of one case: what theory says and what was simulated."""

    case: Case
    expected: Expected
    found: Estimate

    @property
    def distance(self) -> float:
        """In standard errors."""
        return self.found.distance(self.expected.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """A simulated case. `waits_ms`: of all contacts that count, in order of arrival."""

    case: Case
    contacts: int
    comparisons: Sequence[Comparison]
    waits_ms: Sequence[int]


def simulate_case(case: Case, contacts: int, seed: int, progress: Callable[[int], None] | None = None) -> CaseResult:
    """Simulate a case over so many contacts, of which the first twentieth does not count: it met an empty pool.

    `progress` is told how many contacts have come.
    """
    journal = Journal()
    Simulation(
        _POOL,
        inputs=_inputs(case),
        arrivals=_told(_arrivals(case, contacts, seed), progress),
        observer=journal,
    ).run()
    visits = list(journal.visits.values())
    assert len(visits) == contacts, "every contact was queued"
    counted = visits[int(contacts * _WARM_UP_SHARE) :]
    comparisons = tuple(
        Comparison(case=case, expected=expected, found=_measure(case, expected, counted)) for expected in case.expected
    )
    waits = [wait for visit in counted if (wait := visit.wait_ms) is not None]
    return CaseResult(case=case, contacts=contacts, comparisons=comparisons, waits_ms=waits)


def _told(arrivals: Iterator[Arrival], progress: Callable[[int], None] | None) -> Iterator[Arrival]:
    for count, arrival in enumerate(arrivals, start=1):
        if progress is not None and count % 1_000 == 0:
            progress(count)
        yield arrival


def _inputs(case: Case) -> Iterator[tuple[int, AnyInput]]:
    skills = case.skills or [frozenset(case.arrivals)] * case.servers
    by_skill = case.skills is not None
    agents = tuple(
        AgentConfiguration(
            id=f"agent{number:04}",
            name=f"Agent {number}",
            skills=dict.fromkeys(sorted(own), 1) if by_skill else {},
            capacity={_CHANNEL: 1},
        )
        for number, own in enumerate(skills)
    )
    queues = tuple(
        QueueConfiguration(id=name, skills={name: 1} if by_skill else {}, target_ms=target_ms)
        for name, target_ms in case.targets_ms.items()
    )
    yield 0, ConfigurePool(pool=_POOL, version=case.name, queues=queues, agents=agents)
    for agent in agents:
        yield (
            0,
            SetPresence(
                pool=_POOL,
                command_id=f"come-{agent.id}",
                agent_id=agent.id,
                target_agent_id=agent.id,
                status="available",
            ),
        )


def _arrivals(case: Case, contacts: int, seed: int) -> Iterator[Arrival]:
    times, classes, handling, patience = (stream(seed, f"{case.family}/{case.name}/{name}") for name in _CHANCES)
    names, rates = list(case.arrivals), list(case.arrivals.values())
    interval = Interval(from_ms=_START_MS, to_ms=2**62, rate_per_ms=sum(rates))
    for number, at_ms in zip(range(contacts), arrival_times([interval], times), strict=False):
        queue = names[0] if len(names) == 1 else classes.choices(names, rates)[0]
        yield Arrival(
            at_ms=at_ms,
            event=a_contact(_POOL, f"con_{number}", queue=queue, channel=_CHANNEL, at_ms=at_ms),
            handling_ms=case.handling.draw(handling),
            patience_ms=None if case.patience is None else case.patience.draw(patience),
        )


def _measure(case: Case, expected: Expected, visits: Sequence[Visit]) -> Estimate:
    if expected.measure == "occupancy":
        return _occupancy(visits, case.servers)
    value = _VALUES[expected.measure]
    return batch_means([value(visit) for visit in visits if expected.queue in (None, visit.queue)])


def _wait(visit: Visit) -> float:
    wait_ms = visit.wait_ms
    assert wait_ms is not None, "the run ends when everybody was answered or has left"
    return float(wait_ms)


_VALUES: Final[dict[str, Callable[[Visit], float]]] = {
    "wait": _wait,
    "waiting": lambda visit: float(_wait(visit) > 0),
    "leaving": lambda visit: float(visit.left_ms is not None),
    "within": lambda visit: float(visit.left_ms is None and _wait(visit) <= WITHIN_MS),
}


def _occupancy(visits: Sequence[Visit], servers: int) -> Estimate:
    """The share of the agents' time that is spent on contacts, from equally long spans of time between the first and the last arrival.

    Contacts that came before the first one counted are missing in the first span, which is therefore left out.
    """
    begin, end = visits[0].received_ms, visits[-1].received_ms
    length = (end - begin) / (BATCHES + 1)
    busy = [0.0] * (BATCHES + 1)
    for visit in visits:
        if visit.assigned_ms is None or visit.resolved_ms is None:
            continue
        index = int((visit.assigned_ms - begin) / length)
        while index <= BATCHES and begin + index * length < visit.resolved_ms:
            span_begin = begin + index * length
            busy[index] += min(visit.resolved_ms, span_begin + length) - max(visit.assigned_ms, span_begin)
            index += 1
    return of_runs([one / (length * servers) for one in busy[1:]], count=len(visits))


def wait_shares(waits_ms: Sequence[int], points_ms: Sequence[int]) -> list[float]:
    """The share of contacts that wait longer than each of these times."""
    ordered = sorted(waits_ms)
    return [1 - bisect_right(ordered, point) / len(ordered) for point in points_ms]
