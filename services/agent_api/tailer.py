"""Follows the log and keeps the view up to date; wakes the hub and the waiting commands at each commit.

Every replica follows everything. What is read is gathered into one transaction at a time: while one is under way the next one grows, so a
backlog is worked off in large batches. A crash before the commit repeats the batch, one after it does not; the positions decide.
It must not decide anything about contacts. Started by `compose`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from libs.common.clock import Clock
from libs.common.errors import LogClosedError, OffsetOutOfRangeError, OutageError, PoisonError
from libs.common.events.codec import HEADER_INPUT_OFFSET, decode_event
from libs.common.http.health import Health
from libs.common.log import streams
from libs.common.log.fence import Fence
from libs.common.log.port import EventLog, Reader, Record
from libs.common.logging import get_logger
from libs.common.metrics import Metrics
from libs.common.store import Position, read_positions, reading, store_errors
from libs.common.store_engine import StoreEngine
from services.agent_api.hub import Hub
from services.agent_api.outcomes import Outcomes
from services.agent_api.store import tables
from services.agent_api.store.queries import read_view_state
from services.agent_api.view import (
    Advance,
    Place,
    PositionLostError,
    Reading,
    apply_batch,
    frames_between,
    read_commands,
)

# In this order within one transaction: the words of a message before the fact that it opened a contact.
FOLLOWED: Final = (
    streams.ROUTING_INPUTS,
    streams.ROUTING_EVENTS,
    streams.OUTBOUND_MESSAGES,
    streams.DELIVERY_EVENTS,
    streams.FOLLOWUP_EVENTS,
)
RECORDS_PER_POLL: Final = 500
PENDING_RECORDS_MAX: Final = 1_000
POLL_WAIT_MS: Final = 30_000
OUTAGE_PAUSE_MS: Final = 250
# Nobody sees anything of an input before the fact that it causes, nor waits for a line in a history: they are written with what comes next.
PATIENT: Final = frozenset({streams.ROUTING_INPUTS, streams.FOLLOWUP_EVENTS})
PATIENCE_MS: Final = 20
HEALTH_PART: Final = "tailer"


class DeadLetterSink(Protocol):
    """Where records go that cannot be decoded."""

    async def put(self, record: Record, error: Exception) -> object:
        """Keep the record. Raises when too many came."""
        ...


class Lane:
    """One stream: its reader, what was read and not applied yet, and the fences of its partitions."""

    def __init__(self, stream: str, reader: Reader, positions: dict[int, Position]) -> None:
        self.stream = stream
        self.reader = reader
        self.next_offsets = {partition: position.next_offset for partition, position in positions.items()}
        self.pending: list[Record] = []
        self.taken = asyncio.Event()
        # Where the stored position stands once everything that was taken is written; records lost to retention do not move it.
        self._reached = dict(self.next_offsets)
        self.applied = dict(self.next_offsets)
        self._fences = {partition: Fence(position.term) for partition, position in positions.items()}
        self._fenced = stream == streams.ROUTING_EVENTS

    def take(self, inputs: Lane) -> tuple[list[Record], dict[Place, Advance]]:
        """What may be applied now, as far as it counts, and how far that goes.

        A fact waits until the inputs up to the one that it comes from were taken, and what was written after it waits with it: pools hand
        contacts to one another, and what one of them says of such a contact is to be read in the order in which it happened.
        """
        admitted: list[Record] = []
        advances: dict[Place, Advance] = {}
        held: list[Record] = []
        if self._fenced:
            self.pending.sort(key=_written_ms)
        for place, record in enumerate(self.pending):
            partition = record.partition
            if self._fenced and _input_offset(record) >= inputs.next_offsets[partition]:
                held = self.pending[place:]
                break
            if not self._fenced or self._fences[partition].admit(record):
                admitted.append(record)
            begun = advances.get((self.stream, partition))
            advances[self.stream, partition] = Advance(
                from_offset=self._reached[partition] if begun is None else begun.from_offset,
                next_offset=record.offset + 1,
                term=self._fences[partition].term if self._fenced else None,
            )
        self.pending = held
        self.taken.set()
        for (_, partition), advance in advances.items():
            self._reached[partition] = advance.next_offset
            # Further already where what came after this was lost.
            self.next_offsets[partition] = max(self.next_offsets[partition], advance.next_offset)
        return admitted, advances

    async def skip_lost(self, error: OffsetOutOfRangeError) -> None:
        """The log let go of records that this view never saw; it goes on with what is left."""
        get_logger("tailer").error(
            "records lost to retention",
            stream=self.stream,
            partition=error.partition,
            offset=error.offset,
            first_offset=error.first_offset,
        )
        await self.reader.seek(error.partition, error.first_offset)
        for offsets in (self.next_offsets, self.applied):
            offsets[error.partition] = max(offsets[error.partition], error.first_offset)


class Alarm:
    """Rings at once, or some time later; the earliest time counts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ringing = asyncio.Event()
        self._due_ms: int | None = None
        self._sleep: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Wake whoever waits."""
        self._ringing.set()

    def ring_in(self, wait_ms: int) -> None:
        """Wake whoever waits then, at the latest."""
        due_ms = self._clock.now_ms() + wait_ms
        if self._ringing.is_set() or (self._due_ms is not None and self._due_ms <= due_ms):
            return
        self.stop()
        self._due_ms = due_ms
        self._sleep = asyncio.create_task(self._ring_after(wait_ms))

    async def wait(self) -> None:
        """Return when it rings. What was to ring later is forgotten."""
        await self._ringing.wait()
        self._ringing.clear()
        self.stop()

    def stop(self) -> None:
        """Forget what was to ring later."""
        self._due_ms = None
        if self._sleep is not None:
            self._sleep.cancel()
            self._sleep = None

    async def _ring_after(self, wait_ms: int) -> None:
        await self._clock.sleep_ms(max(0, wait_ms))
        self._sleep = None
        self._ringing.set()


class Tailer:
    """See the module."""

    def __init__(
        self,
        *,
        log: EventLog,
        engine: StoreEngine,
        hub: Hub,
        outcomes: Outcomes,
        dead_letters: DeadLetterSink,
        clock: Clock,
        health: Health,
        metrics: Metrics,
        records_per_poll: int = RECORDS_PER_POLL,
    ) -> None:
        self._log = log
        self._engine = engine
        self._hub = hub
        self._outcomes = outcomes
        self._dead_letters = dead_letters
        self._clock = clock
        self._health = health
        self._metrics = metrics
        self._records_per_poll = records_per_poll
        self._targets: dict[Place, int] = {}
        self._lanes: dict[str, Lane] = {}

    @property
    def started(self) -> bool:
        """Whether it has begun to read."""
        return bool(self._lanes)

    async def run(self) -> None:
        """Follow the log until cancelled. Outages are waited out and shown on readiness; a bug ends it."""
        while True:
            try:
                await self._follow()
            except (OutageError, LogClosedError, PositionLostError) as error:
                self._health.set(HEALTH_PART, ok=False, detail=str(error))
                get_logger("tailer").warning("cannot follow the log", outage=str(error))
                await self._clock.sleep_ms(OUTAGE_PAUSE_MS)

    async def _follow(self) -> None:
        lanes = await self._open_lanes()
        self._lanes = {lane.stream: lane for lane in lanes}
        alarm = Alarm(self._clock)
        pumps: list[asyncio.Task[None]] = []
        try:
            await self._catch_up()
            await self._set_targets()
            pumps = [asyncio.create_task(self._pump(lane, alarm)) for lane in lanes]
            for pump in pumps:
                pump.add_done_callback(lambda _: alarm.ring())
            # What was left to announce when the last tailer ended is announced now.
            announce_ms: int | None = self._clock.now_ms()
            while True:
                await alarm.wait()
                for pump in pumps:
                    if pump.done():
                        pump.result()
                readings, advances = await self._take(lanes)
                # Facts may still wait for the inputs that they come from.
                if advances or (announce_ms is not None and self._clock.now_ms() >= announce_ms):
                    announce_in_ms = await self._apply(readings, advances)
                    announce_ms = None if announce_in_ms is None else self._clock.now_ms() + announce_in_ms
                if announce_ms is not None:
                    alarm.ring_in(announce_ms - self._clock.now_ms())
        finally:
            for task in pumps:
                task.cancel()
            alarm.stop()
            await asyncio.gather(*pumps, return_exceptions=True)
            for lane in lanes:
                await lane.reader.close()

    async def _pump(self, lane: Lane, alarm: Alarm) -> None:
        """Take what comes on one stream, whatever the others and the database are doing, until too much waits."""
        while True:
            try:
                records = await lane.reader.poll(max_records=self._records_per_poll, wait_ms=POLL_WAIT_MS)
            except OffsetOutOfRangeError as error:
                await lane.skip_lost(error)
                continue
            if not records:
                continue
            lane.pending.extend(records)
            if lane.stream in PATIENT and not self._lanes[streams.ROUTING_EVENTS].pending:
                alarm.ring_in(PATIENCE_MS)
            else:
                alarm.ring()
            while len(lane.pending) >= PENDING_RECORDS_MAX:
                lane.taken.clear()
                alarm.ring()
                await lane.taken.wait()

    async def _open_lanes(self) -> list[Lane]:
        with store_errors():
            async with reading(self._engine) as connection:
                stored = {stream: await read_positions(connection, tables.positions, stream) for stream in FOLLOWED}
        lanes = []
        for stream in FOLLOWED:
            positions = {
                partition: stored[stream].get(partition)
                or Position(next_offset=await self._log.begin_offset(stream, partition), term=None)
                for partition in range(self._log.partitions(stream))
            }
            offsets = {partition: position.next_offset for partition, position in positions.items()}
            lanes.append(Lane(stream, await self._log.open_reader(stream, offsets), positions))
        return lanes

    async def _catch_up(self) -> None:
        """What was committed without being handed on: by others, or by us when the commit's answer was lost."""
        with store_errors():
            async with reading(self._engine) as connection:
                self._hub.epoch, frame_seq, _ = await read_view_state(connection)
            # Frames up to this one are there, and outcomes that came later do no harm.
            async with self._engine.read_plain() as session:
                seen_seq = frame_seq if self._hub.seen_seq is None else self._hub.seen_seq
                frames = await frames_between(session, seen_seq, frame_seq, ())
                decided = await read_commands(session, self._outcomes.awaited())
        self._hand_on(frame_seq, frames, decided)

    async def _take(self, lanes: Sequence[Lane]) -> tuple[list[Reading], dict[Place, Advance]]:
        """All that can be applied now."""
        readings: list[Reading] = []
        advances: dict[Place, Advance] = {}
        inputs = self._lanes[streams.ROUTING_INPUTS]
        for lane in lanes:
            admitted, reached = lane.take(inputs)
            advances.update(reached)
            readings.extend(await self._decode(admitted))
        return readings, advances

    async def _apply(self, readings: Sequence[Reading], advances: Mapping[Place, Advance]) -> int | None:
        """Apply these in one transaction. Gives the time in ms until a queue is to be announced, if one is."""
        assert self._hub.seen_seq is not None, "set when the tailer began"
        with store_errors():
            async with self._engine.write_plain() as session:
                applied = await apply_batch(
                    session,
                    readings,
                    advances,
                    now_ms=self._clock.now_ms(),
                    seen_seq=self._hub.seen_seq,
                    awaited=self._outcomes.awaited(),
                )
        for (stream, partition), advance in advances.items():
            self._lanes[stream].applied[partition] = advance.next_offset
        self._hand_on(applied.frame_seq, applied.frames, applied.decided)
        if self._targets:
            self._show_readiness()
        return applied.announce_in_ms

    async def _decode(self, records: Iterable[Record]) -> list[Reading]:
        readings = []
        for record in records:
            try:
                readings.append(Reading(record=record, event=decode_event(record)))
            except PoisonError as error:
                await self._dead_letters.put(record, error)
        return readings

    def _hand_on(self, frame_seq: int, frames: Sequence[Any] | None, decided: Any) -> None:
        if frames is None:
            self._hub.restart(frame_seq)
        else:
            self._hub.publish(frames)
            self._hub.seen_seq = max(frame_seq, self._hub.seen_seq or 0)
        self._outcomes.settle(decided)

    async def _set_targets(self) -> None:
        """The view is ready once it has come to where the log ends now."""
        self._targets = {
            (lane.stream, partition): await self._log.end_offset(lane.stream, partition)
            for lane in self._lanes.values()
            for partition in lane.next_offsets
        }
        self._show_readiness()

    def _show_readiness(self) -> None:
        behind = sum(
            max(0, target - self._lanes[stream].applied[partition])
            for (stream, partition), target in self._targets.items()
        )
        if behind:
            self._health.set(HEALTH_PART, ok=False, detail=f"{behind} records behind")
        else:
            self._targets = {}
            self._health.set(HEALTH_PART, ok=True)

    async def measure_lag(self) -> int:
        """How many records are on the log and not in the view; also shown as a metric. Raises OutageError."""
        lag = 0
        for lane in tuple(self._lanes.values()):
            for partition in lane.applied:
                behind = max(0, await self._log.end_offset(lane.stream, partition) - lane.applied[partition])
                self._metrics.log_lag_records.labels(lane.stream, str(partition)).set(behind)
                lag += behind
        return lag


def _written_ms(record: Record) -> int:
    return record.timestamp_ms


def _input_offset(record: Record) -> int:
    """The input that a fact comes from; -1 for what comes from none (a writer's start) or does not say (nobody's fact)."""
    text = record.header(HEADER_INPUT_OFFSET)
    return int(text) if text is not None and text.isascii() and text.isdigit() else -1
