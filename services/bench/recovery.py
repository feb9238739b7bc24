"""How soon a router decides again: a new worker on a partition whose pool has many agents and many waiting contacts.

The log holds a snapshot of that pool, facts that came after it, and one input that nobody has decided. Measured is the way from the
worker's start until what follows from that input is on the log, and for how long nothing else in the process had its turn meanwhile:
health checks and the group's heartbeats wait as long.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from libs.common.clock import SystemClock
from libs.common.events.inputs import AnyInput
from libs.common.lifecycle import tune_garbage_collector
from libs.common.log.open import open_log
from libs.common.log.port import EventLog, NewRecord
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS, partition_of
from services.bench.bare_log import RETENTION_DAYS
from services.bench.figures import Figure, Report, describe_machine
from services.bench.lives import Lives
from services.bench.logs import PARTITIONS, LogPlace
from services.bench.router import run_worker
from services.bench.stack import POOL
from services.router.core.model import PoolState
from services.router.core.snapshot import freeze
from services.router.core.step import new_state, step
from services.router.origin import Origin, fact_records, writer_started_record
from services.router.snapshot import FrozenState, write_snapshot

SUBJECT: Final = "router's recovery"
_TERM: Final = 0
_BATCH: Final = 500
_CHUNK_BYTES: Final = 64 * 1024
_BEAT_S: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPlan:
    """What to do. `agents` and `waiting` contacts are in the snapshot, `tail` messages have come after it."""

    agents: int = 10_000
    waiting: int = 50_000
    tail: int = 10_000
    rounds: int = 3


async def measure_recovery(plan: RecoveryPlan, places: Sequence[LogPlace], folder: Path) -> Report:
    """Run it on each kind of log."""
    machine = describe_machine()
    figures: list[Figure] = []
    measures = (("until the first decision", "s"), ("processor time", "s"), ("longest pause of all else", "ms"))
    for place in places:
        runs: list[tuple[float, ...]] = []
        for _ in range(plan.rounds):
            async with place.fresh() as url:
                lives = Lives(plan.agents)
                await _prepare(url, plan, lives)
                runs.append(await _recover(url, lives, folder))
        figures += [
            Figure(subject=SUBJECT, measure=measure, unit=unit, runs=tuple(values), log=place.kind)
            for (measure, unit), values in zip(measures, zip(*runs, strict=True), strict=True)
        ]
    notes = (
        f"{plan.agents:,} agents and {plan.waiting:,} waiting contacts in the snapshot, {plan.tail:,} messages' facts after it",
    )
    return Report(benchmark="recovery", parameters=asdict(plan), figures=figures, notes=notes, machine=machine)


async def _recover(url: str, lives: Lives, folder: Path) -> tuple[float, float, float]:
    tune_garbage_collector()  # As a service does when it starts.
    pauses_s = [0.0]
    beat = asyncio.create_task(_beat(pauses_s))
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    try:
        watch = await run_worker(url, lives.configuration, 1, folder)
    finally:
        beat.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beat
    return watch.done_s - started_s, watch.done_cpu_s - started_cpu_s, max(pauses_s) * 1000


async def _beat(pauses_s: list[float]) -> None:
    """Note by how much a timer comes too late."""
    while True:
        due_s = time.perf_counter() + _BEAT_S
        await asyncio.sleep(_BEAT_S)
        pauses_s.append(time.perf_counter() - due_s)


async def _prepare(url: str, plan: RecoveryPlan, lives: Lives) -> None:
    """Put the snapshot, the facts after it and the last input on the log."""
    state, now_ms = new_state(POOL), SystemClock().now_ms()
    # Nobody is available yet: whoever writes waits.
    step(state, lives.configuration, now_ms)
    for _ in range(plan.waiting):
        step(state, lives.receive(now_ms), now_ms)
    number = partition_of(POOL, PARTITIONS)
    log = open_log(url, PARTITIONS, RETENTION_DAYS)
    try:
        await log.connect()
        writer = await log.open_writer("bench")
        started = await writer.append(ROUTING_EVENTS, number, (writer_started_record(number, "bench", now_ms),))
        await _write_snapshot(log, number, state, next_output=started.last_offset + 1, now_ms=now_ms)
        events: list[AnyInput] = [lives.receive(now_ms) for _ in range(plan.tail)]
        records, facts = _decide(lives, state, events, number, now_ms)
        _, first, *_ = lives.opening()  # The configuration, then the agents.
        for stream, appended in (
            (ROUTING_INPUTS, [*records, lives.record(first, now_ms)]),
            (ROUTING_EVENTS, facts),
        ):
            for start in range(0, len(appended), _BATCH):
                await writer.append(stream, number, appended[start : start + _BATCH])
    finally:
        await log.close()


def _decide(
    lives: Lives, state: PoolState, events: Sequence[AnyInput], partition: int, now_ms: int
) -> tuple[list[NewRecord], list[NewRecord]]:
    """The records of inputs, and of what follows from them."""
    records, facts = [], []
    for offset, event in enumerate(events):
        records.append(lives.record(event, now_ms))
        origin = Origin(input_offset=offset, causation_id=f"in-{offset}", correlation_id=f"cor-{offset}")
        facts += fact_records(step(state, event, now_ms), origin, partition=partition, term=_TERM)
    return records, facts


async def _write_snapshot(log: EventLog, partition: int, state: PoolState, *, next_output: int, now_ms: int) -> None:
    frozen = FrozenState(
        term=_TERM,
        next_output=next_output,
        next_input=0,
        taken_ms=now_ms,
        pools=((POOL, freeze(state)),),
    )
    await write_snapshot(log, frozen, partition=partition, generation=0, expected_offset=0, chunk_bytes=_CHUNK_BYTES)
