"""How many inputs a second the router decides: the worker of one partition on a preloaded log, beside a loop that only copies.

Each round gives the worker a fresh log with whole lives of contacts on it, and then the same inputs to a loop that reads, copies and
appends in batches of the same size without looking into them. The core alone is measured too, with no log at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from libs.common.clock import SystemClock
from libs.common.errors import OutageError, PoisonError
from libs.common.events.inputs import ConfigurePool
from libs.common.events.routing import InputRefused, PoolFact
from libs.common.log.open import open_log
from libs.common.log.port import Record
from libs.common.log.streams import OUTBOUND_MESSAGES, ROUTING_INPUTS, partition_of
from libs.common.metrics import Metrics
from services.bench.bare_log import RETENTION_DAYS, open_bare
from services.bench.core import measure_core, measure_memory
from services.bench.figures import Figure, Report, describe_machine, ratios
from services.bench.http_load import collector_paused
from services.bench.lives import Lives
from services.bench.logs import PARTITIONS, LogPlace
from services.bench.stack import POOL
from services.router.core.step import new_state, step
from services.router.metrics import PartitionMetrics
from services.router.partition import PartitionWorker, Phase
from services.router.routing_state import RoutingState
from services.router.settings import RouterSettings
from services.router.snapshot_schedule import SnapshotReport
from services.router.tenure import Partition

WORKER: Final = "router's worker"
BARE: Final = "bare read, copy, append"
_WAIT_MS: Final = 1_000
_TERM: Final = 0
_RUN_MAX_S: Final = 300.0
_PRELOAD_BATCH: Final = 100  # Smaller than the pool, so that what a batch holds follows from earlier ones.


class RunTooLongError(OutageError):
    """The log or the machine is much too slow, or away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterPlan:
    """What to do. `inputs`: on the log in each round; `agents`: in the pool there; `core_agents`: sizes of the core's pools.
    `memory_agents`: agents of the pool whose memory is measured, with as many waiting contacts; 0: not at all.
    """

    inputs: int = 30_000
    agents: int = 200
    rounds: int = 5
    core_inputs: int = 20_000
    core_agents: tuple[int, ...] = (100, 1_000, 10_000, 100_000)
    memory_agents: int = 100_000


async def measure_router(plan: RouterPlan, places: Sequence[LogPlace], folder: Path) -> Report:
    """Run it on each kind of log, and the core by itself."""
    machine = describe_machine()
    figures: list[Figure] = []
    for place in places:
        worked: list[Timed] = []
        copied: list[Timed] = []
        for _ in range(plan.rounds):
            async with place.fresh() as url:
                inputs, configuration = await _preload(url, plan)
                worked.append(await _time_worker(url, configuration, inputs, folder))
                copied.append(await _time_bare(url, inputs))
        figures += _figures(place.kind, worked, copied)
    figures += measure_core(plan.core_agents, plan.core_inputs, plan.rounds)
    if plan.memory_agents:
        figures += measure_memory(plan.memory_agents)
    notes = (
        f"inputs are whole lives of contacts in a pool of {plan.agents} agents: written, offered, accepted, resolved; a third are messages",
        "the worker decodes and decides each input and writes 1 to 2 facts for it; the loop copies as many records as there are inputs",
        "the core's time is processor time of `step` alone; with the codec, of decoding the input and encoding the facts too",
        "in light load most agents have a contact, in overload all have one and as many contacts wait as there are agents",
        "the scan of all does no more than to look for whom or what is next, at messages and at agents who get free",
    )
    return Report(benchmark="router", parameters=asdict(plan), figures=figures, notes=notes, machine=machine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """So many inputs, the time that passed, and the processor time of this process, threads and all."""

    inputs: int
    seconds: float
    cpu_s: float


_MEASURES: Final[tuple[tuple[str, str, Callable[[Timed], float]], ...]] = (
    ("throughput", "inputs/s", lambda timed: timed.inputs / timed.seconds),
    ("processor time", "us/input", lambda timed: timed.cpu_s / timed.inputs * 1e6),
)


def _figures(kind: str, worked: Sequence[Timed], copied: Sequence[Timed]) -> list[Figure]:
    figures = []
    for measure, unit, value in _MEASURES:
        worker, bare = (
            Figure(subject=subject, measure=measure, unit=unit, runs=tuple(map(value, runs)), log=kind)
            for subject, runs in ((WORKER, worked), (BARE, copied))
        )
        figures += [worker, bare, ratios(f"{WORKER}, to the bare loop", worker, bare)]
    return figures


async def _preload(url: str, plan: RouterPlan) -> tuple[int, ConfigurePool]:
    """Put a story on the log; how many inputs it has, and the pool that it plays in."""
    lives, state, clock = Lives(plan.agents), new_state(POOL), SystemClock()
    log = open_log(url, PARTITIONS, RETENTION_DAYS)
    count = 0
    try:
        await log.connect()
        writer = await log.open_writer("bench")
        events = list(lives.opening())
        while events:
            records = [lives.record(event, clock.now_ms()) for event in events]
            appended = await writer.append(ROUTING_INPUTS, partition_of(POOL, PARTITIONS), records)
            for event in events:
                lives.tell(step(state, event, appended.timestamp_ms))
            count += len(events)
            events = lives.next_inputs(min(_PRELOAD_BATCH, plan.inputs - count), clock.now_ms())
    finally:
        await log.close()
    return count, lives.configuration


class Watch:
    """The worker's observer: what the service's own metrics do, when it was live, and when what follows from the inputs was there."""

    def __init__(self, partition: int, inputs: int) -> None:
        self._metrics = PartitionMetrics(Metrics(), partition)
        self._left = inputs
        self.live_s = self.live_cpu_s = 0.0
        self.done_s = self.done_cpu_s = 0.0
        self.refused = 0
        self.done = asyncio.Event()

    def recovered(self, state: RoutingState, seconds: float) -> None:
        """The worker is live."""
        self._metrics.recovered(state, seconds)
        self.live_s, self.live_cpu_s = time.perf_counter(), time.process_time()

    def appended(self, facts: Sequence[PoolFact], records: int) -> None:
        """What follows from some inputs stands on the log."""
        self._metrics.appended(facts, records)
        self.refused += [type(fact) for fact in facts].count(InputRefused)
        if self._left <= 0 and not self.done.is_set():
            self.done_s, self.done_cpu_s = time.perf_counter(), time.process_time()
            self.done.set()

    def decided(self, inputs: int, seconds: float) -> None:
        """So many inputs fewer are left."""
        self._metrics.decided(inputs, seconds)
        self._left -= inputs

    def snapshot_written(self, report: SnapshotReport) -> None:
        """A part of what a worker does."""
        self._metrics.snapshot_written(report)


class _NoDeadLetters:
    async def put(self, record: Record, error: PoisonError) -> None:
        raise error  # Every input is good; a benchmark of anything else is worth nothing.

    async def keep(self, record: Record, error: Exception) -> None:
        raise error


async def _time_worker(url: str, configuration: ConfigurePool, inputs: int, folder: Path) -> Timed:
    """From the worker's start of work to the append of what follows from the last input."""
    with collector_paused():
        watch = await run_worker(url, configuration, inputs, folder)
    return Timed(inputs=inputs, seconds=watch.done_s - watch.live_s, cpu_s=watch.done_cpu_s - watch.live_cpu_s)


async def run_worker(url: str, configuration: ConfigurePool, inputs: int, folder: Path) -> Watch:
    """Have a worker recover and decide so many inputs. Raises RunTooLongError, and whatever ends the worker."""
    number = partition_of(POOL, PARTITIONS)
    log, clock = open_log(url, PARTITIONS, RETENTION_DAYS), SystemClock()
    watch = Watch(number, inputs)
    try:
        await log.connect()
        partition = Partition(
            number=number,
            log=log,
            clock=clock,
            settings=RouterSettings(data=folder),
            configured={POOL: configuration},
            dead_letters=_NoDeadLetters(),
            observer=watch,
        )
        worker = PartitionWorker(partition, _ignore_phase)
        working = asyncio.create_task(worker.run())
        ended = asyncio.create_task(watch.done.wait())
        await asyncio.wait((working, ended), timeout=_RUN_MAX_S, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        worker.stop()
        await working
    finally:
        await log.close()
    if not watch.done.is_set():
        raise RunTooLongError(f"the worker has not decided {inputs} inputs within {_RUN_MAX_S} s")
    assert not watch.refused, f"{watch.refused} inputs were refused; the story does not hold together"
    return watch


def _ignore_phase(partition: int, phase: Phase, detail: str) -> None:
    """The benchmark waits for the end alone."""


async def _time_bare(url: str, inputs: int) -> Timed:
    """From the first read to the last append."""
    number, copied = partition_of(POOL, PARTITIONS), 0
    async with open_bare(url, ROUTING_INPUTS, OUTBOUND_MESSAGES, number) as bare:
        with collector_paused():
            started_s, started_cpu_s = time.perf_counter(), time.process_time()
            async with asyncio.timeout(_RUN_MAX_S):
                while copied < inputs:
                    records = await bare.read(_WAIT_MS)
                    if records:
                        await bare.append(records)
                        copied += len(records)
            return Timed(
                inputs=inputs,
                seconds=time.perf_counter() - started_s,
                cpu_s=time.process_time() - started_cpu_s,
            )
