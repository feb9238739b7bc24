"""A partition of the router as tests need it: its configuration, its doubles, and what stands on its streams.

Used by tests of the router on every log and by the simulation. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from libs.common.clock import Clock
from libs.common.configuration.models import Agent, Configuration, Pool, Queue, Rule
from libs.common.events.codec import decode_event, encode_record
from libs.common.events.routing import PoolFact, WriterStarted
from libs.common.log.fence import Fence
from libs.common.log.port import Appended, EventLog, Record
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS
from services.router.partition import PartitionWorker, Phase
from services.router.pools import configured_pools, openings_by_pool
from services.router.routing_state import RoutingState
from services.router.settings import RouterSettings
from services.router.snapshot_schedule import SnapshotReport
from services.router.tenure import Partition
from tests.support.waiting import eventually


def a_configuration(**changes: Any) -> Configuration:
    """One pool, `care`, with two queues and two agents."""
    plain: dict[str, Any] = {
        "pools": {"care": Pool()},
        "queues": {
            "orders": Queue(pool="care", skills={"orders": 2}, target_ms=60_000, offer_timeout_ms=20_000),
            "general": Queue(pool="care", target_ms=300_000, offer_timeout_ms=20_000, wrap_up_ms=30_000),
        },
        "rules": (Rule(queue="general"),),
        "agents": {
            "anna": Agent(name="Anna", pool="care", skills={"orders": 4}, capacity={"email": 2}),
            "bruno": Agent(name="Bruno", pool="care", capacity={"email": 1}),
        },
    }
    return Configuration(**{**plain, **changes})


def a_settings(**changes: Any) -> RouterSettings:
    """Settings that no environment has a say in."""
    return RouterSettings(**{"log": "memory:", **changes})


@dataclass
class DeadLetterBox:
    """Keeps what it is given."""

    letters: list[tuple[Record, Exception]] = field(default_factory=list)
    kept: list[tuple[Record, Exception]] = field(default_factory=list)

    async def put(self, record: Record, error: Exception) -> None:
        self.letters.append((record, error))

    async def keep(self, record: Record, error: Exception) -> None:
        self.kept.append((record, error))


@dataclass
class Notes:
    """An observer that remembers, and wakes whoever waits for the partition to have decided so far."""

    facts: list[PoolFact] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    snapshots: list[SnapshotReport] = field(default_factory=list)
    recoveries: int = 0
    inputs: int = 0

    def recovered(self, state: RoutingState, seconds: float) -> None:
        self.recoveries += 1

    def appended(self, facts: Sequence[PoolFact], records: int) -> None:
        self.facts += facts
        self.batches.append(records)

    def decided(self, inputs: int, seconds: float) -> None:
        self.inputs += inputs

    def snapshot_written(self, report: SnapshotReport) -> None:
        self.snapshots.append(report)


@dataclass
class Phases:
    """Remembers the phases of workers."""

    heard: list[tuple[int, Phase, str]] = field(default_factory=list)

    def __call__(self, partition: int, phase: Phase, detail: str) -> None:
        self.heard.append((partition, phase, detail))

    def of(self, partition: int) -> list[Phase]:
        return [phase for number, phase, _ in self.heard if number == partition]


class Desk:
    """One partition with a worker that a test starts, stops and kills, and whose inputs it appends."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        *,
        number: int = 0,
        configuration: Configuration | None = None,
        settings: RouterSettings | None = None,
    ) -> None:
        self.log = log
        self.number = number
        self.notes = Notes()
        self.dead_letters = DeadLetterBox()
        self.phases = Phases()
        configuration = configuration or a_configuration()
        configured = configured_pools(configuration, number, log.partitions(ROUTING_INPUTS))
        self.partition = Partition(
            number=number,
            log=log,
            clock=clock,
            settings=settings or a_settings(),
            configured=configured,
            openings=openings_by_pool(configuration, configured),
            dead_letters=self.dead_letters,
            observer=self.notes,
        )
        self._counter = 0

    def worker(self) -> PartitionWorker:
        """A worker of the partition; several may believe that it is theirs."""
        return PartitionWorker(self.partition, self.phases)

    async def give(self, *events: msgspec.Struct, correlation_id: str = "test") -> Appended:
        """Append inputs, as one batch."""
        records = []
        for event in events:
            self._counter += 1
            records.append(
                encode_record(
                    event,
                    key=event.pool,  # type: ignore[attr-defined]  # every input has a pool
                    event_id=f"input-{self._counter}",
                    source="test",
                    time_ms=self.partition.clock.now_ms(),
                    correlation_id=correlation_id,
                )
            )
        writer = await self.log.open_writer("test")
        try:
            return await writer.append(ROUTING_INPUTS, self.number, records)
        finally:
            await writer.close()

    async def decided(self, worker: PartitionWorker) -> None:
        """Wait until the worker has decided every input that stands on the log, and appended what followed."""

        async def done() -> bool:
            end_offset = await self.log.end_offset(ROUTING_INPUTS, self.number)
            return worker.tenure is not None and worker.tenure.appended_input >= end_offset

        await eventually(done)

    async def facts(self) -> list[Any]:
        """The admitted facts on the log, in order."""
        return [decode_event(record) for record in await self.admitted()]

    async def written(self) -> list[Record]:
        """The records of facts on the log, admitted or not, the beginnings of terms apart."""
        records = await read_all(self.log, ROUTING_EVENTS, self.number)
        return [record for record in records if not isinstance(decode_event(record), WriterStarted)]

    async def admitted(self) -> list[Record]:
        """The records of admitted facts on the log, in order, the beginnings of terms apart."""
        fence = Fence(None)
        return [
            record
            for record in await read_all(self.log, ROUTING_EVENTS, self.number)
            if fence.admit(record) and not isinstance(decode_event(record), WriterStarted)
        ]


@asynccontextmanager
async def working(desk: Desk) -> AsyncIterator[PartitionWorker]:
    """A worker at work; what it fails with is raised at the end."""
    worker = desk.worker()
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait([task], timeout=10)
        assert task.done(), "the worker did not stop"
        task.result()


async def read_all(log: EventLog, stream: str, partition: int) -> list[Record]:
    """Every record of a partition that is there now."""
    begin, end = await log.begin_offset(stream, partition), await log.end_offset(stream, partition)
    records: list[Record] = []
    if begin >= end:
        return records
    reader = await log.open_reader(stream, {partition: begin})
    try:
        while reader.position(partition) < end:
            records += await reader.poll(wait_ms=1000)
    finally:
        await reader.close()
    return [record for record in records if record.offset < end]


def of_type(facts: Sequence[Any], kind: type) -> list[Any]:
    """The facts of one type."""
    return [fact for fact in facts if isinstance(fact, kind)]


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end; raises what it failed with."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def offsets(records: Sequence[Record]) -> list[int]:
    """Where these records stand."""
    return [record.offset for record in records]


def headers(record: Record) -> Mapping[str, str]:
    """A record's headers as text."""
    return {name: value.decode() for name, value in record.headers}
