"""Contact centres in which customers wait, to find out how near the router's expected waits come: what they are, and their simulation.

Times are in milliseconds. The same seed gives the same result. Called by the
command line, which writes the page, and by the tests, which run shorter ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from libs.common.events.inputs import AnyInput, ConfigurePool
from libs.common.events.pool import AgentConfiguration, QueueConfiguration
from libs.common.events.routing import PoolFact
from services.router.simulator.accuracy import Accuracy, Pair, accuracy_of, measure_accuracy
from services.router.simulator.distributions import Distribution, Exponential, Fixed, LogNormal, stream
from services.router.simulator.engine import Arrival, Simulation
from services.router.simulator.journal import Journal, Visit
from services.router.simulator.plans import Habit, set_presence
from services.router.simulator.poisson import Interval, a_contact, arrival_times
from services.router.simulator.rivals import NAMES, Rivals

_POOL: Final = "waits"
_CHANNEL: Final = "webchat"
_START_MS: Final = 1_000_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
_TARGET_MS: Final = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Who comes to a queue: at each of `loads` (contacts in one handling time) for as many hours. `urgent`: the share with priority 2."""

    loads: Sequence[tuple[float, float]]  # Hours, load.
    handling: Distribution
    target_ms: int = _TARGET_MS
    urgent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitCase:
    """One contact centre. `skills`: the queues that each agent may take (None: all). `later`: agents who come or go, at an hour.

    `habit`: how offers are answered, None: at once.
    """

    name: str
    demands: Mapping[str, Demand]
    servers: int
    patience: Distribution | None = None
    skills: Sequence[frozenset[str]] | None = None
    later: Sequence[tuple[float, int, str]] = field(default_factory=tuple)  # Hour, agent's number, presence.
    habit: Habit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitResult:
    """What a case came to: the router's own accuracy, over all and by queue, and that of the other estimators over all."""

    case: WaitCase
    contacts: int
    accuracies: Sequence[Accuracy]
    rivals: Mapping[str, Accuracy]


class _Both:
    """Tells two observers."""

    def __init__(self, journal: Journal, rivals: Rivals) -> None:
        self._observers = (journal, rivals)

    def note(self, fact: PoolFact) -> None:
        for observer in self._observers:
            observer.note(fact)


def simulate_waits(case: WaitCase, seed: int, runs: int = 1) -> WaitResult:
    """Simulate a case so many times, each from an empty pool of which nothing is known, and measure over all runs."""
    visits: list[Visit] = []
    pairs: dict[str, list[Pair]] = {name: [] for name in NAMES}
    for number in range(runs):
        journal, rivals = Journal(), Rivals()
        _run(case, seed + number, _Both(journal, rivals))
        visits += journal.visits.values()
        for visit in journal.visits.values():
            if visit.told_ms is None or visit.assigned_ms is None:
                continue
            for name in NAMES:
                expected = rivals.expected[name].get(visit.contact_id)
                if expected is not None:
                    pairs[name].append((expected, visit.assigned_ms - visit.told_ms))
    accuracies = measure_accuracy(visits)
    told = accuracies[0].told if accuracies else 0
    return WaitResult(
        case=case,
        contacts=len(visits),
        accuracies=accuracies,
        rivals={name: accuracy_of(None, told, told - len(own), own) for name, own in pairs.items()},
    )


def _run(case: WaitCase, seed: int, observer: _Both) -> None:
    chance = stream(seed, f"{case.name}/answers")
    habit = Habit(delay=Fixed(0)) if case.habit is None else case.habit
    Simulation(
        _POOL,
        inputs=_inputs(case),
        arrivals=_arrivals(case, seed),
        observer=observer,
        answering=lambda offer: habit.answer(chance),
        back_ms=MINUTE_MS,
    ).run()


def _inputs(case: WaitCase) -> Iterator[tuple[int, AnyInput]]:
    skills = case.skills or [frozenset(case.demands)] * case.servers
    agents = tuple(
        AgentConfiguration(
            id=f"agent{number:04}",
            name=f"Agent {number}",
            skills=dict.fromkeys(sorted(own), 1),
            capacity={_CHANNEL: 1},
        )
        for number, own in enumerate(skills)
    )
    queues = tuple(
        QueueConfiguration(id=name, skills={name: 1}, target_ms=demand.target_ms)
        for name, demand in case.demands.items()
    )
    yield 0, ConfigurePool(pool=_POOL, version=case.name, queues=queues, agents=agents)
    absent = {number for _, number, presence in case.later if presence == "available"}
    for number, agent in enumerate(agents):
        if number not in absent:
            yield 0, set_presence(_POOL, agent.id, "available", number)
    for count, (hour, number, presence) in enumerate(case.later, start=len(agents)):
        yield _START_MS + round(hour * HOUR_MS), set_presence(_POOL, agents[number].id, presence, count)


def _arrivals(case: WaitCase, seed: int) -> list[Arrival]:
    arrivals: list[Arrival] = []
    for queue, demand in case.demands.items():
        times, handling, patience, urgency = (
            stream(seed, f"{case.name}/{queue}/{name}") for name in ("arrivals", "handling", "patience", "urgency")
        )
        for number, at_ms in enumerate(arrival_times(_intervals(demand), times)):
            arrivals.append(
                Arrival(
                    at_ms=at_ms,
                    event=a_contact(
                        _POOL,
                        f"con_{queue}_{number}",
                        queue=queue,
                        channel=_CHANNEL,
                        at_ms=at_ms,
                        priority=2 if urgency.random() < demand.urgent else 0,
                    ),
                    handling_ms=demand.handling.draw(handling),
                    patience_ms=None if case.patience is None else case.patience.draw(patience),
                )
            )
    return sorted(arrivals, key=lambda arrival: arrival.at_ms)


def _intervals(demand: Demand) -> Iterator[Interval]:
    from_ms = _START_MS
    for hours, load in demand.loads:
        to_ms = from_ms + round(hours * HOUR_MS)
        yield Interval(from_ms=from_ms, to_ms=to_ms, rate_per_ms=load / demand.handling.mean_ms)
        from_ms = to_ms


_THREE_MINUTES: Final = Exponential(3.0 * MINUTE_MS)
_VARIED: Final = LogNormal(3.0 * MINUTE_MS, 2.0 * MINUTE_MS)

# A day with two peaks: hours, and the load as a share of the people there.
_DAY: Final = ((1, 0.5), (1, 0.9), (2, 1.25), (2, 0.8), (2, 1.15), (2, 0.6))


def _one(loads: Sequence[tuple[float, float]], handling: Distribution = _THREE_MINUTES) -> dict[str, Demand]:
    return {"all": Demand(loads=loads, handling=handling)}


def _day(servers: float) -> list[tuple[float, float]]:
    return [(hours, share * servers) for hours, share in _DAY]


def all_wait_cases() -> tuple[WaitCase, ...]:
    """The whole table."""
    return (
        WaitCase(name="10 agents, load 0.90", servers=10, demands=_one([(100, 9.0)])),
        WaitCase(name="10 agents, load 0.95", servers=10, demands=_one([(100, 9.5)])),
        WaitCase(name="50 agents, load 0.98", servers=50, demands=_one([(40, 49.0)])),
        WaitCase(name="10 agents, 4 h at load 1.2", servers=10, demands=_one([(4, 12.0)])),
        WaitCase(
            name="10 agents, 4 h at load 1.2, log-normal handling", servers=10, demands=_one([(4, 12.0)], _VARIED)
        ),
        WaitCase(name="2 agents, 8 h at load 1.1", servers=2, demands=_one([(8, 2.2)])),
        WaitCase(
            name="10 agents, load 1.2, customers stay 6 min",
            servers=10,
            demands=_one([(40, 12.0)]),
            patience=Exponential(6.0 * MINUTE_MS),
        ),
        WaitCase(
            name="50 agents, load 1.1, customers stay 4 min",
            servers=50,
            demands=_one([(20, 55.0)]),
            patience=Exponential(4.0 * MINUTE_MS),
        ),
        WaitCase(name="20 agents, a day with two peaks", servers=20, demands=_one(_day(20))),
        WaitCase(
            name="20 agents, half of them at lunch for an hour",
            servers=20,
            demands=_one(_day(18)),
            later=[
                *((3.5, number, "break") for number in range(10)),
                *((4.5, number, "available") for number in range(10)),
            ],
        ),
        WaitCase(
            name="two queues, the same 10 agents",
            servers=10,
            demands={
                "short": Demand(loads=_day(5), handling=Exponential(2.0 * MINUTE_MS)),
                "long": Demand(loads=_day(5), handling=Exponential(6.0 * MINUTE_MS), target_ms=4 * MINUTE_MS),
            },
        ),
        WaitCase(
            name="two queues, 3 agents each and 4 for both",
            servers=10,
            skills=[*[frozenset("a")] * 3, *[frozenset("b")] * 3, *[frozenset("ab")] * 4],
            demands={
                "a": Demand(loads=_day(6), handling=_THREE_MINUTES),
                "b": Demand(loads=_day(4), handling=_THREE_MINUTES),
            },
        ),
        WaitCase(
            name="10 agents, a day, one customer in five urgent",
            servers=10,
            demands={"all": Demand(loads=_day(10), handling=_THREE_MINUTES, target_ms=8 * MINUTE_MS, urgent=0.2)},
        ),
        WaitCase(
            name="10 agents who take 5 s to answer and decline one offer in ten, a day",
            servers=10,
            demands=_one(_day(10)),
            habit=Habit(delay=Exponential(5_000.0), declines=0.1),
        ),
    )
