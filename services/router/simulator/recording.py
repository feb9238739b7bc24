"""A recording: what one pool's log says of customers and agents. `recorded_plan` makes of it what can be run again.

Reads the log and writes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from libs.common.errors import PoisonError, RefusedError
from libs.common.events.codec import decode_event
from libs.common.events.inputs import ConfigurePool, ContactReceived, ExtendCalendars, SetPresence, TransferContact
from libs.common.events.routing import (
    CalendarsExtended,
    CallbackMissed,
    CallbackScheduled,
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactHeld,
    ContactMerged,
    ContactQueued,
    ContactRequeued,
    ContactResolved,
    ContactReturned,
    ContactTransferred,
    ContactUnheld,
    MessageJoined,
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
from services.router.core.overflow import CAUSE_OVERFLOW, ROUTER
from services.router.origin import is_writer_started
from services.router.simulator.engine import Interlude
from services.router.simulator.journal import Journal
from services.router.simulator.plans import set_presence
from services.router.simulator.recorded_start import find_start

_POLL_RECORDS: Final = 500
_POLL_WAIT_MS: Final = 1_000
# Presences that come from outside; all others follow from the configuration and from what happens.
_FROM_OUTSIDE: Final = frozenset({"command", "vanished"})


class NothingRecordedError(RefusedError):
    """The log holds no contacts of this pool in this time."""


@dataclass(kw_only=True)
class Life:
    """What is recorded of one contact besides its visit.

    `since_ms`: when its newest stretch of work began. `handling_ms` is the last stretch, `interludes` are what was between the stretches.
    `held_ms`: since when it is put aside; `wrote_ms`: when its customer wrote meanwhile.
    """

    queued: ContactQueued
    since_ms: int | None = None
    held_ms: int | None = None
    wrote_ms: int | None = None
    interludes: list[Interlude] = field(default_factory=list)
    handling_ms: int | None = None
    wrap_up_from_ms: int | None = None
    wrap_up_ms: int | None = None
    patience_ms: int | None = None

    def go_on(self, at_ms: int, *, by_customer: bool = False) -> None:
        """Work goes on, or something else is done with it, where it was put aside; nothing otherwise."""
        if self.held_ms is None or self.since_ms is None:
            return
        until_ms = self.wrote_ms if by_customer and self.wrote_ms is not None else at_ms
        self.interludes.append(
            Interlude(work_ms=self.held_ms - self.since_ms, held_ms=until_ms - self.held_ms, by_customer=by_customer)
        )
        self.since_ms, self.held_ms, self.wrote_ms = at_ms, None, None


@dataclass(kw_only=True)
class Recording:
    """What was recorded of a pool, whole. `journal` counts agents' time between `from_ms` and `to_ms`."""

    pool: str
    from_ms: int
    to_ms: int
    journal: Journal
    configurations: list[tuple[int, ConfigurePool | ExtendCalendars]] = field(default_factory=list)
    presences: list[tuple[int, SetPresence]] = field(default_factory=list)
    lives: dict[str, Life] = field(default_factory=dict)
    received: dict[str, ContactReceived] = field(default_factory=dict)
    # By command.
    transfers: dict[str, TransferContact] = field(default_factory=dict)
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
        self.lives[fact.contact_id] = Life(queued=fact)

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

    def _abandoned(self, fact: ContactAbandoned) -> None:
        life = self.lives.get(fact.contact_id)
        if life is not None:
            life.patience_ms = fact.at_ms - life.queued.at_ms

    def _returned(self, fact: ContactReturned) -> None:
        life = self.lives.get(fact.contact_id)
        if life is not None:
            life.patience_ms = None

    def _cancelled(self, fact: ContactCancelled) -> None:
        if fact.by != ROUTER or fact.reason != CAUSE_OVERFLOW:  # Under other rules it might not have come to its end.
            self.lives.pop(fact.contact_id, None)

    def _merged(self, fact: ContactMerged) -> None:
        """How long it would have taken by itself, nobody knows."""
        self.lives.pop(fact.contact_id, None)

    def _assigned(self, fact: ContactAssigned) -> None:
        if fact.offer_id is not None:
            self._answered(fact.offer_id, fact.at_ms)
        life = self.lives.get(fact.contact_id)
        if life is not None:
            life.since_ms = fact.at_ms

    def _held(self, fact: ContactHeld) -> None:
        life = self.lives.get(fact.contact_id)
        if life is not None:
            life.held_ms = fact.at_ms

    def _joined(self, fact: MessageJoined) -> None:
        life = self.lives.get(fact.contact_id)
        if life is not None and life.held_ms is not None and life.wrote_ms is None:
            life.wrote_ms = fact.at_ms

    def _unheld(self, fact: ContactUnheld) -> None:
        life = self.lives.get(fact.contact_id)
        if life is not None:
            life.go_on(fact.at_ms, by_customer=fact.cause == "customer")

    def _requeued(self, fact: ContactRequeued | CallbackScheduled | CallbackMissed) -> None:
        """Whoever takes it next begins this stretch anew."""
        life = self.lives.get(fact.contact_id)
        if life is not None:
            life.held_ms = life.wrote_ms = None

    def _transferred(self, fact: ContactTransferred) -> None:
        life = self.lives.get(fact.contact_id)
        if life is None or life.since_ms is None:
            return
        life.go_on(fact.at_ms)
        command = TransferContact(
            pool=self.pool,
            command_id=fact.command_id or "",
            agent_id=fact.by,
            contact_id=fact.contact_id,
            queue=fact.queue,
            target_agent_id=fact.target_agent_id,
        )
        life.interludes.append(Interlude(work_ms=fact.at_ms - life.since_ms, transfer=command))

    def _answered(self, offer_id: str, at_ms: int) -> None:
        offer = self.open_offers.pop(offer_id, None)
        if offer is not None:
            self.delays[offer.agent_id].append(at_ms - offer.at_ms)

    def _wrapped_up(self, fact: WrapUpStarted) -> None:
        life = self.lives.get(fact.contact_id)
        if life is not None and life.since_ms is not None:
            life.go_on(fact.at_ms)
            life.handling_ms = fact.at_ms - life.since_ms
            life.wrap_up_from_ms = fact.at_ms

    def _resolved(self, fact: ContactResolved) -> None:
        life = self.lives.get(fact.contact_id)
        if life is None:
            return
        if life.since_ms is None:
            del self.lives[fact.contact_id]  # Somebody who did not have it said that it is done.
        elif life.handling_ms is None:
            life.go_on(fact.at_ms)
            life.handling_ms = fact.at_ms - life.since_ms
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
    ContactAbandoned: Recording._abandoned,
    ContactReturned: Recording._returned,
    CallbackScheduled: Recording._requeued,
    CallbackMissed: Recording._requeued,
    ContactCancelled: Recording._cancelled,
    ContactMerged: Recording._merged,
    ContactAssigned: Recording._assigned,
    ContactHeld: Recording._held,
    ContactUnheld: Recording._unheld,
    ContactRequeued: Recording._requeued,
    ContactTransferred: Recording._transferred,
    MessageJoined: Recording._joined,
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
            elif isinstance(event, TransferContact) and event.pool == pool:
                recording.transfers.setdefault(event.command_id, event)
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
