"""Crews: people who are alike, and what a number of each of them would achieve at a steady demand. What staffing searches over.

Who may take what is asked of the core itself, and so is what they achieve: every trial is a simulation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from libs.common.events.inputs import AnyInput
from libs.common.events.pool import AgentConfiguration
from libs.common.events.routing import OfferMade
from services.router.core import policies
from services.router.simulator.demand import Demand, Kind, Period
from services.router.simulator.distributions import stream
from services.router.simulator.engine import Answer, Arrival, Simulation
from services.router.simulator.journal import Journal
from services.router.simulator.plans import set_presence
from services.router.simulator.poisson import Interval, a_contact, arrival_times

_START_MS: Final = 1_000_000
# A trial is long enough to settle and then to tell: so many contacts, and more where many are in hand at once.
_CONTACTS_MIN: Final = 3_000
_CONTACTS_BY_LOAD: Final = 40
_WARM_UP_MIN: Final = 300
_WARM_UP_BY_LOAD: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """People who may take the same kinds of contacts and have the same room: `capacity` by channel, and `units` for all together where
    they are counted. `takes`: the numbers of these kinds.
    """

    name: str
    skills: Mapping[str, int]
    capacity: Mapping[str, int]
    takes: frozenset[int]
    units: int | None = None

    def room(self, channel: str, units: Mapping[str, int]) -> int:
        """How many contacts of this channel one of them has at once, if nothing else. `units`: what a contact uses, by channel."""
        room, used = self.capacity.get(channel, 1), units.get(channel, 0)
        return room if self.units is None or not used else min(room, self.units // used)


def find_crews(demand: Demand) -> list[Crew]:
    """The people of the configuration, put together by the kinds that they may take; those who may take none are left out.

    Of several who may take the same, skills and room are those that most of them have.
    """
    members: dict[frozenset[int], list[AgentConfiguration]] = {}
    for agent in demand.configured.agents:
        takes = frozenset(number for number, kind in enumerate(demand.kinds) if _may_take(agent, kind, demand))
        if takes:
            members.setdefault(takes, []).append(agent)
    crews = []
    for takes, agents in members.items():
        counted = Counter(
            (tuple(sorted(agent.skills.items())), tuple(sorted(agent.capacity.items())), agent.units)
            for agent in agents
        )
        (skills, capacity, units), _ = counted.most_common(1)[0]
        queues = list(dict.fromkeys(demand.kinds[number].queue for number in sorted(takes)))
        name = " + ".join(queues)
        crews.append(Crew(name=name, skills=dict(skills), capacity=dict(capacity), takes=takes, units=units))
    crews.sort(key=lambda crew: (len(crew.takes), crew.name))
    return crews


def _may_take(agent: AgentConfiguration, kind: Kind, demand: Demand) -> bool:
    queue = next(queue for queue in demand.configured.queues if queue.id == kind.queue)
    skills, alternatives = policies.asked_needs(queue, kind.skills, ())
    fits = any(
        all(agent.skills.get(skill, 0) >= level for skill, level in needed.items())
        for needed in (alternatives or (skills,))
    )
    enough = agent.units is None or agent.units >= demand.units.get(kind.channel, 0)
    return fits and enough and agent.capacity.get(kind.channel, 1) > 0


def try_crews(
    demand: Demand, period: Period, crews: Sequence[Crew], counts: Sequence[int], seed: int
) -> list[float | None]:
    """By kind, the share answered in the promised time when so many of each crew are there and the period's demand goes on for long.

    None for a kind that does not come. The same seed brings the same customers whatever the crews are.
    """
    arrivals = list(_arrivals(demand, period, seed))
    answer = stream(seed, "answers")  # Everybody answers alike, whatever is offered.

    def answering(offer: OfferMade) -> Answer:
        return Answer(demand.kinds[0].answer.draw(answer))

    journal = Journal()
    Simulation(
        demand.configured.pool,
        inputs=_inputs(demand, crews, counts),
        arrivals=arrivals,
        observer=journal,
        answering=answering,
        end_ms=arrivals[-1].at_ms,
    ).run()
    end_ms = arrivals[-1].at_ms
    tried: Counter[int] = Counter()
    kept: Counter[int] = Counter()
    for arrival in arrivals[max(_WARM_UP_MIN, round(_WARM_UP_BY_LOAD * _load(demand, period))) :]:
        visit = journal.visits.get(arrival.event.contact_id)
        number = int(arrival.event.contact_id.split("_")[1])
        within_ms = demand.kinds[number].within_ms
        wait_ms = end_ms - arrival.at_ms if visit is None or visit.wait_ms is None else visit.wait_ms
        if visit is not None and visit.assigned_ms is None and visit.left_ms is None and wait_ms <= within_ms:
            continue  # Its promise may still be kept when the trial ends.
        tried[number] += 1
        kept[number] += visit is not None and visit.assigned_ms is not None and wait_ms <= within_ms
    return [kept[number] / tried[number] if tried[number] else None for number in range(len(demand.kinds))]


def _inputs(demand: Demand, crews: Sequence[Crew], counts: Sequence[int]) -> Iterator[tuple[int, AnyInput]]:
    agents = tuple(
        AgentConfiguration(
            id=f"crew{place}-{number}",
            name=crew.name,
            skills=dict(crew.skills),
            capacity=dict(crew.capacity),
            units=crew.units,
        )
        for place, (crew, count) in enumerate(zip(crews, counts, strict=True))
        for number in range(count)
    )
    # Hours do not matter here: the demand of one period goes on for ever.
    queues = tuple(replace(queue, hours=None) for queue in demand.configured.queues)
    yield 0, replace(demand.configured, version="trial", queues=queues, agents=agents, calendars=())
    for number, agent in enumerate(agents):
        yield 0, set_presence(demand.configured.pool, agent.id, "available", number)


def _load(demand: Demand, period: Period) -> float:
    """Contacts in hand at once, on average."""
    return sum(kind.busy_ms * rate for kind, rate in zip(demand.kinds, period.rates, strict=True))


def _arrivals(demand: Demand, period: Period, seed: int) -> Iterator[Arrival]:
    """So many contacts that a trial tells something, the kinds mixed as they come."""
    total = sum(period.rates)
    times, mix = stream(seed, "times"), stream(seed, "mix")
    draws = [
        {what: stream(seed, f"{what}/{number}") for what in ("handling", "wrap-up", "patience")}
        for number in range(len(demand.kinds))
    ]
    numbers = list(range(len(demand.kinds)))
    endless = Interval(from_ms=_START_MS, to_ms=2**62, rate_per_ms=total)
    contacts = max(_CONTACTS_MIN, round(_CONTACTS_BY_LOAD * _load(demand, period)))
    for count, at_ms in zip(range(contacts), arrival_times([endless], times), strict=False):
        number = mix.choices(numbers, period.rates)[0]
        kind, chance = demand.kinds[number], draws[number]
        yield Arrival(
            at_ms=at_ms,
            event=a_contact(
                demand.configured.pool,
                f"con_{number}_{count}",
                queue=kind.queue,
                channel=kind.channel,
                at_ms=at_ms,
                skills=dict(kind.skills),
                priority=kind.priority,
            ),
            handling_ms=kind.handling.draw(chance["handling"]),
            wrap_up_ms=kind.wrap_up.draw(chance["wrap-up"]),
            patience_ms=None if kind.patience is None else kind.patience.draw(chance["patience"]),
        )
