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
from libs.common.events.inputs import (
    ConfigurePool,
    ContactReceived,
    ExtendCalendars,
    ReportNotReached,
    RequestCallback,
    SetPresence,
    TransferContact,
)
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
from services.router.core.callbacks import NOT_REACHED
from services.router.core.overflow import CAUSE_OVERFLOW, ROUTER
from services.router.origin import is_writer_started
from services.router.simulator.engine import Interlude, Wish
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

    `since_ms`: when its newest stretch of work began, None while nobody has it; `done_ms`: what others did of this stretch before, who had
    to leave it. `handling_ms` is the last stretch, `interludes` are what was between the stretches.
    `held_ms`: since when it is put aside; `wrote_ms`: when its customer wrote meanwhile. `wish`: to be called, made while it waited.
    """

    queued: ContactQueued
    since_ms: int | None = None
    done_ms: int = 0
    held_ms: int | None = None
    wrote_ms: int | None = None
    interludes: list[Interlude] = field(default_factory=list)
    handling_ms: int | None = None
    wrap_up_from_ms: int | None = None
    wrap_up_ms: int | None = None
    patience_ms: int | None = None
    wish: Wish | None = None

    def end_stretch(self, at_ms: int) -> int:
        """How long people were at the stretch of work that ends with this; the next begins with who takes it next."""
        worked_ms = self.done_ms + (0 if self.since_ms is None else at_ms - self.since_ms)
        self.done_ms, self.since_ms = 0, None
        return worked_ms

    def go_on(self, at_ms: int, *, by_customer: bool = False) -> None:
        """Work goes on, or something else is done with it, where it was put aside; nothing otherwise."""
        if self.held_ms is None or self.since_ms is None:
            return
        held_ms, wrote_ms = self.held_ms, self.wrote_ms
        until_ms = wrote_ms if by_customer and wrote_ms is not None else at_ms
        worked_ms = self.end_stretch(held_ms)
        self.interludes.append(Interlude(work_ms=worked_ms, held_ms=until_ms - held_ms, by_customer=by_customer))
        self.since_ms, self.held_ms, self.wrote_ms = at_ms, None, None


@dataclass(kw_only=True)
class Recording:
    """What was recorded of a pool, whole. `journal` counts agents' time between `from_ms` and `to_ms`; what became of the contacts that
    came then is known until `end_ms`.
    """

    pool: str
    from_ms: int
    to_ms: int
    end_ms: int
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
        life = self.lives.get(fact.contact_id)
        if life is None or (fact.by == ROUTER and fact.reason == CAUSE_OVERFLOW):
            return  # Under other rules it might not have come to its end.
        life.go_on(fact.at_ms)
        if fact.reason == NOT_REACHED and life.since_ms is not None:
            self._given_away(life, fact.at_ms, _not_reached(self.pool))
        elif life.since_ms is not None or life.done_ms:
            life.handling_ms = life.end_stretch(fact.at_ms)
        elif not life.interludes:
            del self.lives[fact.contact_id]

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

    def _requeued(self, fact: ContactRequeued) -> None:
        """Whoever takes it next goes on with this stretch."""
        life = self.lives.get(fact.contact_id)
        if life is not None and life.since_ms is not None:
            life.go_on(fact.at_ms)
            life.done_ms = life.end_stretch(fact.at_ms)

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
        self._given_away(life, fact.at_ms, command)

    def _to_be_called(self, fact: CallbackScheduled) -> None:
        """What the customer asked for on coming stands in the input, and what overflow plans the simulation plans anew."""
        life = self.lives.get(fact.contact_id)
        if life is None or fact.cause == CAUSE_OVERFLOW:
            return
        wait_ms = max(0, fact.not_before_ms - fact.at_ms)
        if fact.agent_id is not None and life.since_ms is not None:
            life.go_on(fact.at_ms)
            asked = RequestCallback(
                pool=self.pool, command_id="", agent_id="", contact_id=fact.contact_id, handle=fact.handle
            )
            self._given_away(life, fact.at_ms, asked, wait_ms)
        elif fact.at_ms > life.queued.at_ms and life.wish is None and not life.interludes:
            life.wish = Wish(after_ms=fact.at_ms - life.queued.at_ms, wait_ms=wait_ms, handle=fact.handle)

    def _missed(self, fact: CallbackMissed) -> None:
        life = self.lives.get(fact.contact_id)
        if life is not None and life.since_ms is not None:
            life.go_on(fact.at_ms)
            self._given_away(life, fact.at_ms, _not_reached(self.pool))

    def _given_away(
        self,
        life: Life,
        at_ms: int,
        command: TransferContact | RequestCallback | ReportNotReached,
        wait_ms: int | None = None,
    ) -> None:
        life.interludes.append(Interlude(work_ms=life.end_stretch(at_ms), held_ms=wait_ms, command=command))

    def _answered(self, offer_id: str, at_ms: int) -> None:
        offer = self.open_offers.pop(offer_id, None)
        if offer is not None:
            self.delays[offer.agent_id].append(at_ms - offer.at_ms)

    def _wrapped_up(self, fact: WrapUpStarted) -> None:
        life = self.lives.get(fact.contact_id)
        if life is not None and life.since_ms is not None:
            life.go_on(fact.at_ms)
            life.handling_ms = life.end_stretch(fact.at_ms)
            life.wrap_up_from_ms = fact.at_ms

    def _resolved(self, fact: ContactResolved) -> None:
        life = self.lives.get(fact.contact_id)
        if life is None:
            return
        if life.wrap_up_from_ms is not None:
            if fact.command_id is not None:
                life.wrap_up_ms = fact.at_ms - life.wrap_up_from_ms
        elif life.since_ms is not None or life.done_ms or life.interludes:
            life.go_on(fact.at_ms)
            life.handling_ms = life.end_stretch(fact.at_ms)
        else:
            del self.lives[fact.contact_id]  # Somebody who did not have it said that it is done.


def _not_reached(pool: str) -> ReportNotReached:
    return ReportNotReached(pool=pool, command_id="", agent_id="", contact_id="")


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
    CallbackScheduled: Recording._to_be_called,
    CallbackMissed: Recording._missed,
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
    """What the log holds of a pool. Without a time: from when the first customer wrote to the newest fact.

    Raises NothingRecordedError, RecoveryImpossibleError, PoisonError for a fact that cannot be read, and LogUnavailableError.
    """
    partition = partition_of(pool, log.partitions(ROUTING_EVENTS))
    facts = [fact async for fact in _facts(log, partition) if fact.pool == pool]
    wrote = [fact.received_ms for fact in facts if isinstance(fact, ContactQueued)]
    if not wrote:
        raise NothingRecordedError(f"the log holds no contacts of the pool {pool}")
    newest = facts[-1].at_ms + 1
    begin = min(wrote) if from_ms is None else from_ms
    end = newest if to_ms is None else min(to_ms, newest)
    if not any(begin <= received_ms < end for received_ms in wrote):
        raise NothingRecordedError(f"no contact of the pool {pool} came in this time")
    journal = Journal(from_ms=begin, to_ms=end)
    recording = Recording(pool=pool, from_ms=begin, to_ms=end, end_ms=newest, journal=journal)
    for fact in facts:
        recording.note(fact)
    recording.journal.close(newest)
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
