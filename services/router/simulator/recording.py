"""A recording: what one pool's log says of customers and agents, as a plan that can be run again, also under another configuration.

Reads the log and writes nothing. Arrivals, handling times and wrap-ups are each contact's own; how quickly and how gladly offers are
answered is each agent's own, drawn anew, because another policy makes other offers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from libs.common.errors import PoisonError, RefusedError
from libs.common.events.codec import decode_event
from libs.common.events.inputs import ConfigurePool, ContactReceived, ExtendCalendars, SetPresence
from libs.common.events.routing import (
    CalendarsExtended,
    ContactAssigned,
    ContactCancelled,
    ContactQueued,
    ContactResolved,
    OfferExpired,
    OfferMade,
    OfferRejected,
    OfferWithdrawn,
    PoolConfigured,
    PresenceChanged,
    WrapUpStarted,
)
from libs.common.log.fence import Fence
from libs.common.log.port import EventLog, Record
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS, partition_of
from services.router.origin import is_writer_started
from services.router.simulator.distributions import Distribution, Fixed, Observed, stream
from services.router.simulator.engine import Arrival
from services.router.simulator.journal import Journal
from services.router.simulator.plans import Habit, Plan, set_presence
from services.router.simulator.poisson import a_contact
from services.router.simulator.recorded_start import find_start

_POLL_RECORDS: Final = 500
_POLL_WAIT_MS: Final = 1_000
_ENOUGH: Final = 20  # Fewer answers of one agent say less about him than everybody's do.
# Presences that come from outside; all others follow from the configuration and from what happens.
_FROM_OUTSIDE: Final = frozenset({"command", "vanished"})


class NothingRecordedError(RefusedError):
    """The log holds no contacts of this pool in this time."""


@dataclass(kw_only=True)
class _Life:
    """What is recorded of one contact besides its visit. Times of its newest assignment."""

    queued: ContactQueued
    assigned_ms: int | None = None
    handling_ms: int | None = None
    wrap_up_from_ms: int | None = None
    wrap_up_ms: int | None = None


@dataclass(kw_only=True)
class Recording:
    """What was recorded of a pool, whole. `journal` counts agents' time between `from_ms` and `to_ms`."""

    pool: str
    from_ms: int
    to_ms: int
    journal: Journal
    configurations: list[tuple[int, ConfigurePool | ExtendCalendars]] = field(default_factory=list)
    presences: list[tuple[int, SetPresence]] = field(default_factory=list)
    lives: dict[str, _Life] = field(default_factory=dict)
    received: dict[str, ContactReceived] = field(default_factory=dict)
    open_offers: dict[str, OfferMade] = field(default_factory=dict)
    delays: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    declined: Counter[str] = field(default_factory=Counter)
    expired: Counter[str] = field(default_factory=Counter)

    def note(self, fact: Any) -> None:
        """The next fact of the pool."""
        self.journal.note(fact)
        take = _TAKES.get(type(fact))
        if take is not None:
            take(self, fact)

    def newest_configuration(self) -> ConfigurePool:
        """The configuration that was in force last."""
        return next(event for _, event in reversed(self.configurations) if isinstance(event, ConfigurePool))

    def _configured(self, fact: PoolConfigured) -> None:
        names = ConfigurePool.__struct_fields__
        fields = {name: getattr(fact, name) for name in names if hasattr(fact, name)}
        self.configurations.append((fact.at_ms, ConfigurePool(**fields)))

    def _extended(self, fact: CalendarsExtended) -> None:
        self.configurations.append((fact.at_ms, ExtendCalendars(pool=self.pool, calendars=fact.calendars)))

    def _presence(self, fact: PresenceChanged) -> None:
        if fact.cause in _FROM_OUTSIDE:
            event = set_presence(self.pool, fact.agent_id, fact.status, len(self.presences))
            self.presences.append((fact.at_ms, event))

    def _queued(self, fact: ContactQueued) -> None:
        self.lives[fact.contact_id] = _Life(queued=fact)

    def _offered(self, fact: OfferMade) -> None:
        self.open_offers[fact.offer_id] = fact

    def _rejected(self, fact: OfferRejected) -> None:
        self._answered(fact.offer_id, fact.at_ms)
        self.declined[fact.agent_id] += 1

    def _expired(self, fact: OfferExpired) -> None:
        self.open_offers.pop(fact.offer_id, None)
        self.expired[fact.agent_id] += 1

    def _withdrawn(self, fact: OfferWithdrawn) -> None:
        self.open_offers.pop(fact.offer_id, None)

    def _cancelled(self, fact: ContactCancelled) -> None:
        self.lives.pop(fact.contact_id, None)

    def _assigned(self, fact: ContactAssigned) -> None:
        if fact.offer_id is not None:
            self._answered(fact.offer_id, fact.at_ms)
        life = self.lives.get(fact.contact_id)
        if life is not None:
            life.assigned_ms = fact.at_ms

    def _answered(self, offer_id: str, at_ms: int) -> None:
        offer = self.open_offers.pop(offer_id, None)
        if offer is not None:
            self.delays[offer.agent_id].append(at_ms - offer.at_ms)

    def _wrapped_up(self, fact: WrapUpStarted) -> None:
        life = self.lives.get(fact.contact_id)
        if life is not None and life.assigned_ms is not None:
            life.handling_ms = fact.at_ms - life.assigned_ms
            life.wrap_up_from_ms = fact.at_ms

    def _resolved(self, fact: ContactResolved) -> None:
        life = self.lives.get(fact.contact_id)
        if life is None or life.assigned_ms is None:
            return
        if life.handling_ms is None:
            life.handling_ms = fact.at_ms - life.assigned_ms
        elif life.wrap_up_from_ms is not None and fact.command_id is not None:
            life.wrap_up_ms = fact.at_ms - life.wrap_up_from_ms


_TAKES: Final[dict[type, Callable[[Recording, Any], None]]] = {
    PoolConfigured: Recording._configured,
    CalendarsExtended: Recording._extended,
    PresenceChanged: Recording._presence,
    ContactQueued: Recording._queued,
    OfferMade: Recording._offered,
    OfferRejected: Recording._rejected,
    OfferExpired: Recording._expired,
    OfferWithdrawn: Recording._withdrawn,
    ContactCancelled: Recording._cancelled,
    ContactAssigned: Recording._assigned,
    WrapUpStarted: Recording._wrapped_up,
    ContactResolved: Recording._resolved,
}


async def read_recording(
    log: EventLog, pool: str, *, from_ms: int | None = None, to_ms: int | None = None
) -> Recording:
    """What the log holds of a pool. Without a time: from the first contact to the newest fact.

    Raises NothingRecordedError, RecoveryImpossibleError, PoisonError for a fact that cannot be read, and LogUnavailableError.
    """
    partition = partition_of(pool, log.partitions(ROUTING_EVENTS))
    facts = [fact async for fact in _facts(log, partition) if fact.pool == pool]
    first = next((fact.at_ms for fact in facts if isinstance(fact, ContactQueued)), None)
    if first is None:
        raise NothingRecordedError(f"the log holds no contacts of the pool {pool}")
    begin = first if from_ms is None else from_ms
    end = facts[-1].at_ms + 1 if to_ms is None else to_ms
    if not any(isinstance(fact, ContactQueued) and begin <= fact.at_ms < end for fact in facts):
        raise NothingRecordedError(f"no contact of the pool {pool} came in this time")
    recording = Recording(pool=pool, from_ms=begin, to_ms=end, journal=Journal(from_ms=begin, to_ms=end))
    for fact in facts:
        recording.note(fact)
    recording.journal.close(max(end, facts[-1].at_ms))
    if not recording.configurations:
        raise NothingRecordedError(f"the log no longer holds a configuration of the pool {pool}")
    begin_input = await log.begin_offset(ROUTING_INPUTS, partition)
    async with aclosing(_records(log, ROUTING_INPUTS, partition, begin_input)) as records:
        async for record in records:
            try:
                event = decode_event(record)
            except PoisonError:
                continue  # It is among the dead letters and came to nothing.
            if isinstance(event, ContactReceived) and event.pool == pool:
                recording.received.setdefault(event.message.id, event)
    return recording


async def recorded_pools(log: EventLog) -> list[str]:
    """The pools of which the log holds contacts, by name."""
    pools: dict[str, None] = {}
    for partition in range(log.partitions(ROUTING_EVENTS)):
        async for fact in _facts(log, partition):
            if isinstance(fact, ContactQueued):
                pools[fact.pool] = None
    return sorted(pools)


async def _facts(log: EventLog, partition: int) -> AsyncGenerator[Any, None]:
    start = await find_start(log, partition)
    for fact in start.facts:
        yield fact
    fence = Fence(start.term)
    async with aclosing(_records(log, ROUTING_EVENTS, partition, start.offset)) as records:
        async for record in records:
            if fence.admit(record) and not is_writer_started(record):
                yield decode_event(record)


async def _records(log: EventLog, stream_name: str, partition: int, first: int) -> AsyncGenerator[Record, None]:
    """What stands on a partition now, from this offset on."""
    end = await log.end_offset(stream_name, partition)
    if first >= end:
        return
    reader = await log.open_reader(stream_name, {partition: first})
    try:
        while reader.position(partition) < end:
            for record in await reader.poll(max_records=_POLL_RECORDS, wait_ms=_POLL_WAIT_MS):
                if record.offset < end:
                    yield record
    finally:
        await reader.close()


def plan_recording(recording: Recording, seed: int) -> Plan:
    """The plan that does again what was recorded, under the configurations of then. What came before `from_ms` warms up."""
    handling = _handling_by_place(recording)
    chance = stream(seed, "handling")
    arrivals = [
        _arrival(recording, life, handling, number, lambda lengths: lengths.draw(chance))
        for number, life in enumerate(recording.lives.values())
        if life.queued.at_ms < recording.to_ms
    ]
    everybody = _habit(recording, list(recording.delays))
    return Plan(
        pool=recording.pool,
        from_ms=recording.from_ms,
        to_ms=recording.to_ms,
        configurations=recording.configurations,
        presences=recording.presences,
        arrivals=arrivals,
        habit=everybody,
        habits={agent: _habit(recording, [agent]) for agent, own in recording.delays.items() if len(own) >= _ENOUGH},
        seed=seed,
    )


def with_policy(plan: Plan, configurations: Sequence[tuple[int, ConfigurePool | ExtendCalendars]]) -> Plan:
    """The same customers and people under another configuration, which is in force from the beginning.

    An agent of whom nothing was recorded is available all the time; one whom the configuration does not have stays away.
    """
    configured = configurations[0][1]
    assert isinstance(configured, ConfigurePool), "the first input configures the pool"
    names = {agent.id for agent in configured.agents}
    recorded = {event.target_agent_id for _, event in plan.presences}
    presences = [(at_ms, event) for at_ms, event in plan.presences if event.target_agent_id in names]
    new = [
        (configurations[0][0], set_presence(plan.pool, name, "available", -number))
        for number, name in enumerate(sorted(names - recorded), start=1)
    ]
    return replace(plan, configurations=configurations, presences=[*new, *presences])


def beginning_ms(plan: Plan) -> int:
    """When a plan's first input is due: a policy that is in force from the beginning is so from then."""
    times = [plan.from_ms, plan.configurations[0][0]]
    times += [at_ms for at_ms, _ in plan.presences[:1]] + [arrival.at_ms for arrival in plan.arrivals[:1]]
    return min(times)


def _handling_by_place(recording: Recording) -> dict[tuple[str, str] | None, Distribution]:
    lengths: dict[tuple[str, str] | None, list[int]] = defaultdict(list)
    for life in recording.lives.values():
        if life.handling_ms is not None:
            lengths[life.queued.queue, life.queued.channel].append(life.handling_ms)
            lengths[None].append(life.handling_ms)
    return {place: Observed(known) for place, known in lengths.items()}


def _arrival(
    recording: Recording,
    life: _Life,
    handling: Mapping[tuple[str, str] | None, Distribution],
    number: int,
    draw: Callable[[Distribution], int],
) -> Arrival:
    """The contact as it came. One that was not finished takes as long as another of its queue and channel did."""
    queued = life.queued
    handling_ms = life.handling_ms
    if handling_ms is None:
        lengths = handling.get((queued.queue, queued.channel)) or handling.get(None)
        handling_ms = 0 if lengths is None else draw(lengths)
    plain = a_contact(
        recording.pool,
        f"con_{number}",
        queue=queued.queue,
        channel=queued.channel,
        at_ms=queued.received_ms,
        skills=queued.skills,
        priority=queued.priority,
    )
    asked = recording.received.get(queued.message_id)
    # What it asked for beside its queue; where the input is gone, what the queue added to it then.
    event = (
        plain if asked is None else msgspec.structs.replace(asked, message=plain.message, contact_id=plain.contact_id)
    )
    # Every contact is its own thread: another policy must not make one of two that were two.
    return Arrival(at_ms=queued.at_ms, event=event, handling_ms=handling_ms, wrap_up_ms=life.wrap_up_ms)


def _habit(recording: Recording, agents: Sequence[str]) -> Habit:
    delays = [delay for agent in agents for delay in recording.delays[agent]]
    expired = sum(recording.expired[agent] for agent in agents)
    declined = sum(recording.declined[agent] for agent in agents)
    offers = len(delays) + expired
    return Habit(
        delay=Observed(delays) if delays else Fixed(0),
        declines=declined / offers if offers else 0.0,
        ignores=expired / offers if offers else 0.0,
    )
