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
from libs.common.events.codec import decode_event
from libs.common.events.inputs import AnyInput, ConfigurePool
from libs.common.events.routing import InputRefused, PoolFact
from libs.common.log.open import open_log
from libs.common.log.port import NewRecord, Record
from libs.common.log.streams import OUTBOUND_MESSAGES, ROUTING_INPUTS, partition_of
from libs.common.metrics import Metrics
from services.bench.bare_log import RETENTION_DAYS, open_bare
from services.bench.figures import Figure, Report, describe_machine, percentile, ratios
from services.bench.http_load import collector_paused
from services.bench.lives import Lives
from services.bench.logs import PARTITIONS, LogPlace
from services.bench.stack import POOL
from services.router.core.step import new_state, step
from services.router.metrics import PartitionMetrics
from services.router.origin import fact_records, origin_of
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
    """What to do. `inputs`: on the log in each round; `agents`: in the pool there; `core_agents`: sizes of the core's pools."""

    inputs: int = 30_000
    agents: int = 200
    rounds: int = 5
    core_inputs: int = 20_000
    core_agents: tuple[int, ...] = (100, 1_000, 10_000)


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
    for agents in plan.core_agents:
        figures += _measure_core(agents, plan)
    notes = (
        f"inputs are whole lives of contacts in a pool of {plan.agents} agents: written, offered, accepted, resolved; a third are messages",
        "the worker decodes and decides each input and writes 1 to 2 facts for it; the loop copies as many records as there are inputs",
        "the core's time is processor time of `step` alone; with the codec, of decoding the input and encoding the facts too",
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


class _Watch:
    """The worker's observer: what the service's own metrics do, and the end of the inputs."""

    def __init__(self, partition: int, inputs: int) -> None:
        self._metrics = PartitionMetrics(Metrics(), partition)
        self._left = inputs
        self.live_s = self.live_cpu_s = 0.0
        self.refused = 0
        self.done = asyncio.Event()

    def recovered(self, state: RoutingState, seconds: float) -> None:
        self._metrics.recovered(state, seconds)
        self.live_s, self.live_cpu_s = time.perf_counter(), time.process_time()

    def appended(self, facts: Sequence[PoolFact], records: int) -> None:
        self._metrics.appended(facts, records)
        self.refused += sum(isinstance(fact, InputRefused) for fact in facts)
        if self._left <= 0:
            self.done.set()

    def decided(self, inputs: int, seconds: float) -> None:
        self._metrics.decided(inputs, seconds)
        self._left -= inputs

    def snapshot_written(self, report: SnapshotReport) -> None:
        self._metrics.snapshot_written(report)


class _NoDeadLetters:
    async def put(self, record: Record, error: PoisonError) -> None:
        raise error  # Every input is good; a benchmark of anything else is worth nothing.

    async def keep(self, record: Record, error: Exception) -> None:
        raise error


async def _time_worker(url: str, configuration: ConfigurePool, inputs: int, folder: Path) -> Timed:
    """From the worker's start of work to the append of what follows from the last input."""
    number = partition_of(POOL, PARTITIONS)
    log, clock = open_log(url, PARTITIONS, RETENTION_DAYS), SystemClock()
    watch = _Watch(number, inputs)
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
        with collector_paused():
            working = asyncio.create_task(worker.run())
            ended = asyncio.create_task(watch.done.wait())
            await asyncio.wait((working, ended), timeout=_RUN_MAX_S, return_when=asyncio.FIRST_COMPLETED)
            timed = Timed(
                inputs=inputs,
                seconds=time.perf_counter() - watch.live_s,
                cpu_s=time.process_time() - watch.live_cpu_s,
            )
        worker.stop()
        await working
    finally:
        await log.close()
    if not watch.done.is_set():
        raise RunTooLongError(f"the worker has not decided {inputs} inputs within {_RUN_MAX_S} s")
    assert not watch.refused, f"{watch.refused} inputs were refused; the story does not hold together"
    return timed


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


def _measure_core(agents: int, plan: RouterPlan) -> list[Figure]:
    """The core with a pool of this size, filled up before the clock starts."""
    subject = f"core, {agents:,} agents"
    steps: dict[str, list[float]] = {"mean": [], "p50": [], "p99": []}
    whole = []
    for _ in range(plan.rounds):
        times_us, whole_us = _time_core(agents, plan.core_inputs)
        steps["mean"].append(sum(times_us) / len(times_us))
        steps["p50"].append(percentile(times_us, 0.5))
        steps["p99"].append(percentile(times_us, 0.99))
        whole.append(sum(whole_us) / len(whole_us))
    figures = [
        Figure(subject=subject, measure=measure, unit="us/input", runs=tuple(runs)) for measure, runs in steps.items()
    ]
    return [*figures, Figure(subject=f"{subject}, with the codec", measure="mean", unit="us/input", runs=tuple(whole))]


def _time_core(agents: int, inputs: int) -> tuple[list[float], list[float]]:
    """Microseconds of processor time of each `step`, and of each step with decoding and encoding."""
    lives, state, now_ms = Lives(agents), new_state(POOL), SystemClock().now_ms()
    for event in lives.opening():
        lives.tell(step(state, event, now_ms))
    for _ in range(6 * agents):
        lives.tell(step(state, _next(lives, now_ms), now_ms))
    times_us: list[float] = []
    whole_us: list[float] = []
    clock: Callable[[], float] = time.thread_time  # Neighbours on the same cores do not count.
    with collector_paused():
        for number in range(inputs):
            record = _as_read(lives.record(_next(lives, now_ms), now_ms), number, now_ms)
            started_s = clock()
            origin = origin_of(record)
            event = decode_event(record)
            decoded_s = clock()
            facts = step(state, event, now_ms)
            decided_s = clock()
            fact_records(facts, origin, partition=0, term=_TERM)
            ended_s = clock()
            times_us.append((decided_s - decoded_s) * 1e6)
            whole_us.append((ended_s - started_s) * 1e6)
            lives.tell(facts)
    return times_us, whole_us


def _next(lives: Lives, now_ms: int) -> AnyInput:
    event = lives.next_input(now_ms)
    assert event is not None, "all was told, so the story goes on"
    return event


def _as_read(record: NewRecord, offset: int, now_ms: int) -> Record:
    return Record(
        stream=ROUTING_INPUTS,
        partition=0,
        offset=offset,
        timestamp_ms=now_ms,
        key=record.key,
        value=record.value,
        headers=record.headers,
    )
