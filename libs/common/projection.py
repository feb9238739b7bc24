"""Folds streams of the log into a service's own tables, each batch in one transaction with the position that it reaches.

Every replica reads everything; the position row decides who applied a batch: whoever finds it moved on takes the new position and
reads from there. A crash before the commit repeats the batch, a crash after it does not. Records of `routing.events` pass the fence
first. What cannot be decoded becomes a dead letter and the rest goes on.

Records of which a service wants nothing move its position too, but no transaction is made for each of them: until the next one, or until
the stream is quiet, only this process knows that they were passed. After a crash they are passed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.clock import Clock
from libs.common.errors import LogClosedError, OffsetOutOfRangeError, OutageError, PoisonError
from libs.common.events.codec import decode_event
from libs.common.http.health import Health
from libs.common.log import streams
from libs.common.log.dlq import DeadLetters
from libs.common.log.fence import Fence
from libs.common.log.port import EventLog, Reader, Record
from libs.common.logging import get_logger
from libs.common.store import advance_position, read_positions, reading, store_errors

_OUTAGE_PAUSE_MS: Final = 500
_POLL_WAIT_MS: Final = 30_000
# A stream that brings nothing for so long is quiet.
_QUIET_MS: Final = 1_000
_PASSED_MAX: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A record and the event in it."""

    record: Record
    event: Any


Fold = Callable[[AsyncConnection, Sequence[Folded]], Awaitable[None]]
Wanted = Callable[[Record], bool]


class Projection:
    """Keeps tables up to date with some streams. `folds`: what to do with each stream's events, inside the transaction.

    `wanted` tells, for a stream, the records of which nothing is wanted without decoding them. After a batch the next one is left
    `gather_ms` to come together, because a large one costs little more than a small one. `committed` is called after each commit, to
    wake who works on the rows.
    """

    def __init__(
        self,
        *,
        name: str,
        log: EventLog,
        engine: AsyncEngine,
        positions: sa.Table,
        folds: Mapping[str, Fold],
        dead_letters: DeadLetters,
        clock: Clock,
        health: Health,
        committed: Callable[[], None] = lambda: None,
        wanted: Mapping[str, Wanted] | None = None,
        gather_ms: int = 0,
    ) -> None:
        self._name = name
        self._log = log
        self._engine = engine
        self._positions = positions
        self._folds = folds
        self._dead_letters = dead_letters
        self._clock = clock
        self._health = health
        self._committed = committed
        self._wanted = wanted or {}
        self._gather_ms = gather_ms
        self._logger = get_logger(__name__)

    async def run(self) -> None:
        """Follow every stream until cancelled; outages are waited out and shown on readiness."""
        async with asyncio.TaskGroup() as group:
            for stream in self._folds:
                group.create_task(self._follow(stream))

    async def _follow(self, stream: str) -> None:
        part = f"{self._name}:{stream}"
        while True:
            try:
                follower = await self.open(stream)
                try:
                    self._health.set(part, ok=True)
                    while True:
                        if await follower.turn(wait_ms=_QUIET_MS if follower.passed else _POLL_WAIT_MS):
                            if self._gather_ms:
                                await self._clock.sleep_ms(self._gather_ms)
                        else:
                            await follower.keep()
                finally:
                    await follower.close()
            except (OutageError, LogClosedError) as error:
                self._health.set(part, ok=False, detail=type(error).__name__)
                await self._clock.sleep_ms(_OUTAGE_PAUSE_MS)

    async def open(self, stream: str) -> Follower:
        """A follower of one stream from the stored positions on."""
        with store_errors():
            async with reading(self._engine) as connection:
                stored = await read_positions(connection, self._positions, stream)
        offsets: dict[int, int] = {}
        terms: dict[int, int | None] = {}
        for partition in range(self._log.partitions(stream)):
            position = stored.get(partition)
            if position is None:
                offsets[partition], terms[partition] = await self._log.begin_offset(stream, partition), None
            else:
                offsets[partition], terms[partition] = position.next_offset, position.term
        reader = await self._log.open_reader(stream, offsets)
        return Follower(self, stream, reader, offsets, terms)

    async def apply(self, follower: Follower, partition: int, records: Sequence[Record]) -> bool:
        """Fold one partition's records in one transaction. False when another replica had moved the position."""
        fence = Fence(follower.terms[partition])
        fenced = follower.stream == streams.ROUTING_EVENTS
        wanted = self._wanted.get(follower.stream)
        folded, poisoned = [], False
        for record in records:
            if (fenced and not fence.admit(record)) or (wanted is not None and not wanted(record)):
                continue
            try:
                folded.append(Folded(record=record, event=decode_event(record)))
            except PoisonError as error:
                await self._dead_letters.put(record, error)
                poisoned = True
        follower.offsets[partition], follower.terms[partition] = records[-1].offset + 1, fence.term
        if wanted is not None and not folded and not poisoned and follower.passed < _PASSED_MAX:
            return True
        if not await self._keep(follower, partition, folded):
            return False
        self._committed()
        return True

    async def keep(self, follower: Follower) -> bool:
        """Write down how far it has come. False when another replica had moved a position."""
        behind = [partition for partition, offset in follower.offsets.items() if offset != follower.kept[partition]]
        return all([await self._keep(follower, partition, ()) for partition in behind])

    async def _keep(self, follower: Follower, partition: int, folded: Sequence[Folded]) -> bool:
        next_offset = follower.offsets[partition]
        with store_errors():
            async with self._engine.begin() as connection:
                if not await advance_position(
                    connection,
                    self._positions,
                    follower.stream,
                    partition,
                    expected_offset=follower.kept[partition],
                    next_offset=next_offset,
                    term=follower.terms[partition],
                ):
                    return False
                if folded:
                    await self._folds[follower.stream](connection, folded)
        follower.kept[partition] = next_offset
        return True


class Follower:
    """A place in one stream: what was folded so far and the reader that goes on from there.

    `offsets` and `terms` are where it is, `kept` is what stands in the database. After an error it is of no use any more.
    """

    def __init__(
        self,
        projection: Projection,
        stream: str,
        reader: Reader,
        offsets: dict[int, int],
        terms: dict[int, int | None],
    ) -> None:
        self._projection = projection
        self._reader = reader
        self.stream = stream
        self.offsets = offsets
        self.terms = terms
        self.kept = dict(offsets)

    @property
    def passed(self) -> int:
        """About how many records lie between where it is and what stands in the database."""
        return sum(offset - self.kept[partition] for partition, offset in self.offsets.items())

    async def turn(self, *, wait_ms: int = 0) -> int:
        """Read and fold what is there; how many records. Raises OutageError; open another follower then.

        A position that another replica moved ends this follower by LogClosedError: the next one begins at the new position.
        """
        try:
            records = await self._reader.poll(wait_ms=wait_ms)
        except OffsetOutOfRangeError as error:
            # The log let go of records that this service never saw: nothing can bring them back, so say it and go on.
            get_logger(__name__).error(
                "records_lost_to_retention", stream=self.stream, partition=error.partition, offset=error.offset
            )
            await self._reader.seek(error.partition, error.first_offset)
            return 0
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.partition, []).append(record)
        for partition, part in by_partition.items():
            if not await self._projection.apply(self, partition, part):
                raise LogClosedError(f"{self.stream}/{partition}: another replica moved the position on")
        return len(records)

    async def keep(self) -> None:
        """Write down what was passed since the last transaction."""
        if not await self._projection.keep(self):
            raise LogClosedError(f"{self.stream}: another replica moved the position on")

    async def close(self) -> None:
        """Stop reading."""
        await self._reader.close()
