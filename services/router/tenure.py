"""One writer's time with one partition: from its `WriterStarted` to its end, by revocation, failure or a newer writer.

The loop: take inputs, decide each, send all that follows as one batch, and decide the next ones while it is under way. The state is
trusted only while appends succeed without a gap (see `deliveries`); whatever else happens ends the tenure, and the worker begins another
one from the log. The writer is fenced by the log alone (see `libs.common.log.fence`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from libs.common.clock import Clock
from libs.common.configuration.opening import Opening
from libs.common.errors import CentralinoError, LogClosedError, OffsetOutOfRangeError, OutageError, PoisonError
from libs.common.events.codec import decode_event
from libs.common.events.inputs import (
    ConfigurePool,
    ContactHandedOver,
    ContactReceived,
    ExtendCalendars,
    HandoversAppended,
    MessageHandedOver,
    TimeAdvanced,
)
from libs.common.events.routing import InputRefused, PoolFact
from libs.common.log.port import Appended, EventLog, NewRecord, Record, Writer
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS
from libs.common.logging import get_logger
from services.router.arrivals import Arrivals
from services.router.batch import FactBatch
from services.router.calendars import Extensions
from services.router.core.refusals import RefusalReason
from services.router.core.snapshot import SnapshotSource, freezing
from services.router.deliveries import Deliveries, DeposedError
from services.router.forwarding import Forwarder
from services.router.log_time import LogTime
from services.router.origin import new_writer_id, origin_of, shell_input_record, writer_started_record
from services.router.pools import with_calendars
from services.router.recovery import Recovered, recover
from services.router.routing_state import RoutingState
from services.router.settings import RouterSettings
from services.router.slices import run_in_slices
from services.router.snapshot import FrozenState
from services.router.snapshot_schedule import SnapshotReport, SnapshotSchedule
from services.router.timers import Timers

# So many inputs are decided in one go. Between two goes all else has its turn, sending the batch under way first of all.
_INPUTS_AT_ONCE: Final = 32


# What must not be lost by a refusal.
_Message = ContactReceived | ContactHandedOver | MessageHandedOver
_MESSAGES: Final = (ContactReceived, ContactHandedOver, MessageHandedOver)


class OvertakenError(OutageError):
    """What was being recovered from the log is no longer there: it was recovered elsewhere. Beginning again helps."""


class MessageNotRoutedError(CentralinoError):
    """A customer's message opened no contact."""


class DeadLetterOffice(Protocol):
    """Where inputs go that cannot be decoded (it raises when there are too many of them), and messages that were refused."""

    async def put(self, record: Record, error: PoisonError) -> None:
        """Keep the record, with what is wrong with it."""
        ...

    async def keep(self, record: Record, error: Exception) -> None:
        """The same for a record that nothing is wrong with; there may be any number of them."""
        ...


class Observer(Protocol):
    """Who hears of what a tenure does, for metrics and health. It must not raise and must not decide."""

    def recovered(self, state: RoutingState, seconds: float) -> None:
        """The partition is live: this is its state."""
        ...

    def appended(self, facts: Sequence[PoolFact], records: int) -> None:
        """These facts were appended in a batch of so many records, without a gap."""
        ...

    def decided(self, inputs: int, seconds: float) -> None:
        """So many inputs were decided in so much time."""
        ...

    def snapshot_written(self, report: SnapshotReport) -> None:
        """A snapshot is complete."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """What a worker and its tenures work with. `configured`: the pools of this partition; `openings`: by pool, what the calendars are
    worked out of.
    """

    number: int
    log: EventLog
    clock: Clock
    settings: RouterSettings
    configured: Mapping[str, ConfigurePool]
    dead_letters: DeadLetterOffice
    observer: Observer
    openings: Mapping[str, Mapping[str, Opening]] = field(default_factory=dict)


class Tenure:
    """See the module. Made by `begin_tenure`; `serve` until it returns or raises, then `close`, once.

    Inputs before `next_input` are decided, and what followed from those before `appended_input` is on the log.
    """

    def __init__(
        self,
        partition: Partition,
        writer: Writer,
        writer_id: str,
        started: Appended,
        recovered: Recovered,
        next_input: int,
        arrivals: Arrivals,
        stop: asyncio.Event,
    ) -> None:
        self.term: Final = started.first_offset
        self.state: Final = recovered.state
        self.next_input = next_input
        self._partition: Final = partition
        self._writer: Final = writer
        self._writer_id: Final = writer_id
        self._last: Final = recovered.last
        self._arrivals: Final = arrivals
        self._stop: Final = stop
        self._timers: Final = Timers()
        self._extensions: Final = Extensions(partition.openings)
        self._inputs_appended = 0
        self._configured_at: dict[str, int] = {}
        self._log_time: Final = LogTime()
        self._deliveries: Final = Deliveries(
            partition.log,
            FactBatch(partition.settings, partition=partition.number, term=self.term),
            self._append,
            self._count,
            partition=partition.number,
            started=started,
            next_input=next_input,
        )
        self._forwarder: Final = Forwarder(
            partial(writer.append, ROUTING_INPUTS),
            self._append_input,
            partitions=partition.log.partitions(ROUTING_INPUTS),
        )
        self._snapshots: Final = SnapshotSchedule(
            partition.log,
            partition.settings,
            partition=partition.number,
            stored=recovered.snapshots,
            folded=recovered.folded,
            now_ms=self._now_ms(),
            on_written=partition.observer.snapshot_written,
        )

    @property
    def appended_input(self) -> int:
        """See the class."""
        return self._deliveries.appended_input

    async def settle(self) -> None:
        """Finish the settling that an earlier writer's last batch may have ended in the middle of, and tell changed pools so."""
        facts = self.state.settle()
        if facts:
            assert self._last is not None, "a snapshot is taken of a settled state"
            await self._deliveries.collect(facts, self._last, self.next_input)
            await self._deliveries.send_all(self.next_input)
        for pool, configuration in self._partition.configured.items():
            if self.state.version(pool) != configuration.version:
                openings = self._partition.openings.get(pool, {})
                appended = await self._append_input(with_calendars(configuration, openings, self._now_ms()))
                self._configured_at[pool] = appended.first_offset

    async def serve(self) -> None:
        """Decide inputs until it is time to stop. Raises DeposedError, LogUnavailableError and whatever is a bug."""
        try:
            await self._serve()
        except OffsetOutOfRangeError as error:
            # The log lets go of nothing that its newest writer still needs: somebody has gone on without us, and far.
            raise DeposedError(f"partition {self._partition.number}: overtaken: {error}") from error
        except LogClosedError:
            # A batch under way that fails closes the writer, and what else is appended meets that first: the batch's error counts.
            await self._deliveries.raise_failure()
            raise

    async def _serve(self) -> None:
        while not self._stop.is_set():
            if self._forwarder.due(self.state.pools):
                # Nobody is handed anything that may turn out not to have happened.
                await self._deliveries.send_all(self.next_input)
                await self._forwarder.forward(self.state.pools, self._now_ms())
            deadlines = self.state.deadlines()
            records = await self._arrivals.take(
                self._timers.wait_ms(deadlines, self._now_ms()),
                until=self._deliveries.under_way,
            )
            if records:
                await self._decide(records)
                deadlines = self.state.deadlines()
                self._timers.decided(self.next_input, deadlines)
            if self._deliveries.free:
                await self._deliveries.send(self.next_input)
            if self._stop.is_set():
                break
            for deadline in self._timers.due(deadlines, self._now_ms()):
                deadline_ms, pool = deadline
                # The deadline itself, not our clock's time: a clock that runs ahead cannot carry the pool's time away.
                self._timers.told(deadline, await self._append_input(TimeAdvanced(pool=pool, now_ms=deadline_ms)))
            for extension in self._extensions.due(self.state.pools, self._now_ms()):
                await self._append_input(extension)
            self._snapshots.tend()
            if self._snapshots.due(self._now_ms()):
                # A snapshot holds nothing that is not on the log.
                await self._deliveries.send_all(self.next_input)
                self._snapshots.begin(*await self._freeze(), self._now_ms())
        await self._deliveries.send_all(self.next_input)

    async def close(self) -> None:
        """Let go of the reader, the writer and a snapshot under way."""
        await self._snapshots.close()
        await self._arrivals.close()
        await self._writer.close()
        await self._deliveries.close()

    async def _decide(self, records: Sequence[Record]) -> None:
        """Decide these inputs and put what follows into the batch in hand; where it is full, it is sent. Never half an input's in one."""
        seconds = 0.0
        for first in range(0, len(records), _INPUTS_AT_ONCE):
            if first or self._deliveries.under_way is not None:
                await asyncio.sleep(0)
            started_s = time.perf_counter()
            for record in records[first : first + _INPUTS_AT_ONCE]:
                try:
                    origin = origin_of(record)
                    event = decode_event(record)
                    facts = self.state.decide(event, record.timestamp_ms)
                except PoisonError as error:
                    # First put aside, then passed over: a crash in between puts it aside again, under the same id.
                    await self._partition.dead_letters.put(record, error)
                else:
                    if facts:
                        if isinstance(event, _MESSAGES):
                            await self._save_refused(event, facts, record)
                        await self._deliveries.collect(facts, origin, self.next_input)
                self.next_input = record.offset + 1
            seconds += time.perf_counter() - started_s
        self._partition.observer.decided(len(records), seconds)
        self._snapshots.count(len(records))

    async def _save_refused(self, event: _Message, facts: Sequence[PoolFact], record: Record) -> None:
        """A message is not lost by a refusal: because its pool is not configured here, or not yet, has no queue or is full."""
        refused = next((fact for fact in facts if isinstance(fact, InputRefused)), None)
        if refused is None:
            return
        if self._came_too_early(event, refused, record.offset):
            # It goes behind the configuration before its refusal is on the log: no crash in between loses it.
            await self._append(ROUTING_INPUTS, (_copy_of(record),))
        else:
            # Its provider was told that we have it. Where it came from is mended some time, and then it is put back.
            await self._partition.dead_letters.keep(record, MessageNotRoutedError(refused.detail))

    def _came_too_early(self, event: _Message, refused: InputRefused, offset: int) -> bool:
        """Whether a message was refused only because it stands on the log before its pool's first configuration."""
        return (
            offset < self._configured_at.get(event.pool, -1)
            and self.state.version(event.pool) is None
            and bool(self._partition.configured[event.pool].queues)
            and refused.reason == RefusalReason.QUEUE_UNKNOWN
        )

    def _count(self, facts: Sequence[PoolFact], records: int) -> None:
        self._snapshots.count(records)
        self._partition.observer.appended(facts, records)

    async def _append_input(
        self, event: ConfigurePool | ExtendCalendars | HandoversAppended | TimeAdvanced
    ) -> Appended:
        self._inputs_appended += 1
        record = shell_input_record(
            event, writer_id=self._writer_id, counter=self._inputs_appended, now_ms=self._now_ms()
        )
        return await self._append(ROUTING_INPUTS, (record,))

    async def _append(self, stream: str, records: Sequence[NewRecord]) -> Appended:
        clock = self._partition.clock
        before_ms = clock.now_ms()
        appended = await self._writer.append(stream, self._partition.number, records)
        self._log_time.heard(before_ms=before_ms, timestamp_ms=appended.timestamp_ms, after_ms=clock.now_ms())
        return appended

    async def _freeze(self) -> tuple[FrozenState, float]:
        """The state as it is, and for how long this stood in the way of all else at most (s). Nothing is decided meanwhile."""
        pools: list[tuple[str, SnapshotSource]] = []
        pause_max_s = 0.0
        for pool, state in sorted(self.state.pools.items()):
            source, pause_s = await run_in_slices(freezing(state))
            pools.append((pool, source))
            pause_max_s = max(pause_max_s, pause_s)
        frozen = FrozenState(
            term=self.term,
            next_output=self._deliveries.next_output,
            next_input=self.next_input,
            taken_ms=self._now_ms(),
            pools=tuple(pools),
        )
        return frozen, pause_max_s

    def _now_ms(self) -> int:
        """The log's time, as near as we know it."""
        return self._partition.clock.now_ms() + self._log_time.ahead_ms


async def begin_tenure(partition: Partition, stop: asyncio.Event) -> Tenure:
    """Take the partition over: begin a term, and recover the state up to it.

    Raises OvertakenError where the log is trimmed meanwhile, and what `recover` raises.
    """
    try:
        return await _begin(partition, stop)
    except OffsetOutOfRangeError as error:
        raise OvertakenError(str(error)) from error


async def _begin(partition: Partition, stop: asyncio.Event) -> Tenure:
    started_s = time.perf_counter()
    number, log = partition.number, partition.log
    writer_id = new_writer_id(number)
    writer = await log.open_writer(f"router-{number}")
    try:
        started = await writer.append(
            ROUTING_EVENTS, number, (writer_started_record(number, writer_id, partition.clock.now_ms()),)
        )
        recovered = await recover(
            log, partition=number, configured=partition.configured, before_offset=started.first_offset
        )
        next_input = await _first_input_left(log, number, recovered.next_input)
        reader = await log.open_reader(ROUTING_INPUTS, {number: next_input})
    except BaseException:
        await writer.close()
        raise
    arrivals = Arrivals(reader, partition.clock, records_max=partition.settings.router_poll_records_max, stop=stop)
    tenure = Tenure(partition, writer, writer_id, started, recovered, next_input, arrivals, stop)
    # Before anything is decided: what is settled now is counted as of contacts that are known.
    partition.observer.recovered(tenure.state, time.perf_counter() - started_s)
    try:
        await asyncio.sleep(0)  # That has taken its time, and what follows takes some, too.
        await tenure.settle()
    except BaseException:
        await tenure.close()
        raise
    get_logger("router").info(
        "partition live",
        partition=number,
        term=tenure.term,
        next_input=next_input,
        folded=recovered.folded,
        seconds=round(time.perf_counter() - started_s, 3),
    )
    return tenure


def _copy_of(record: Record) -> NewRecord:
    return NewRecord(key=record.key, value=record.value, headers=record.headers)


async def _first_input_left(log: EventLog, partition: int, next_input: int) -> int:
    """Where to go on. Inputs that the log let go of before anybody decided them are lost, and nothing brings them back."""
    begin = await log.begin_offset(ROUTING_INPUTS, partition)
    if begin > next_input:
        get_logger("router").error("inputs lost by retention", partition=partition, first=next_input, before=begin)
    return max(begin, next_input)
