"""The routing core by itself, with no log: what an input costs in pools of many sizes, what a pool takes in memory, and its snapshots.

Processor time of this thread alone, so that neighbours on the same cores do not count. In light load a share of the agents has a contact
and each message finds somebody; in overload everybody has one, and as many contacts wait as there are agents.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from libs.common.clock import SystemClock
from libs.common.events.codec import decode_event
from libs.common.events.inputs import AnyInput
from libs.common.events.routing import PoolFact
from libs.common.log.port import NewRecord, Record
from libs.common.log.streams import ROUTING_INPUTS
from services.bench.figures import Figure, percentile, ratios
from services.bench.http_load import collector_paused
from services.bench.lives import Lives
from services.bench.naive_scan import NaiveScan
from services.bench.stack import POOL
from services.router.core.model import PoolState
from services.router.core.snapshot import freezing, restoring, snapshot_chunks
from services.router.core.step import new_state, step
from services.router.origin import fact_records, origin_of

NAIVE_AGENTS_MAX: Final = 10_000  # Where a scan of all takes milliseconds, more agents would only take longer.
_NAIVE_INPUTS: Final = 600
_TERM: Final = 0
_CHUNK_BYTES: Final = 64 * 1024
_MEASURES: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "mean": lambda values: sum(values) / len(values),
    "p50": lambda values: percentile(values, 0.5),
    "p99": lambda values: percentile(values, 0.99),
    "p99.9": lambda values: percentile(values, 0.999),
}

_clock: Final = time.thread_time


def measure_core(sizes: Sequence[int], inputs: int, rounds: int) -> list[Figure]:
    """Both loads at every size, and how much more the largest pool costs than the smallest."""
    figures: list[Figure] = []
    for load in ("light load", "overload"):
        means = []
        for agents in sizes:
            measured = _measure_size(agents, load, inputs, rounds)
            means.append(measured[0])
            figures += measured
        if len(means) > 1:
            figures.append(ratios(f"core, {sizes[-1]:,} agents to {sizes[0]:,}, {load}", means[-1], means[0]))
    return figures


def _measure_size(agents: int, load: str, inputs: int, rounds: int) -> list[Figure]:
    subject = f"core, {agents:,} agents, {load}"
    pool = _Pool(agents, backlog=agents if load == "overload" else 0)
    steps: list[list[float]] = []
    whole: list[list[float]] = []
    with collector_paused():
        for _ in range(rounds):
            times_us, whole_us = pool.time(inputs)
            steps.append(times_us)
            whole.append(whole_us)
    figures = [
        Figure(subject=subject, measure=name, unit="us/input", runs=tuple(map(measure, steps)))
        for name, measure in _MEASURES.items()
    ]
    mean = _MEASURES["mean"]
    figures.append(
        Figure(subject=f"{subject}, with the codec", measure="mean", unit="us/input", runs=tuple(map(mean, whole)))
    )
    if agents <= NAIVE_AGENTS_MAX:
        naive = tuple(mean(pool.time_naive(min(inputs, _NAIVE_INPUTS))) for _ in range(rounds))
        scan = Figure(subject=f"scan of all, {agents:,} agents, {load}", measure="mean", unit="us/input", runs=naive)
        figures += [scan, ratios(f"scan of all, to the core, {agents:,} agents, {load}", scan, figures[0])]
    return figures


class _Pool:
    """A pool in the middle of a day: filled up when it is made."""

    def __init__(self, agents: int, *, backlog: int) -> None:
        self._lives = Lives(agents, backlog=backlog)
        self._now_ms = SystemClock().now_ms()
        self._number = 0
        self.state: PoolState = new_state(POOL)
        for event in self._lives.opening():
            self._decide(event)
        lives = 2 * agents + backlog if backlog else 6 * agents
        for _ in range(lives):
            self._decide(self._next())

    def time(self, inputs: int) -> tuple[list[float], list[float]]:
        """Microseconds of each `step`, and of each step with decoding before it and encoding after it."""
        times_us: list[float] = []
        whole_us: list[float] = []
        for _ in range(inputs):
            event = self._next()
            record = _as_read(self._lives.record(event, self._now_ms), self._number, self._now_ms)
            started_s = _clock()
            origin = origin_of(record)
            event = decode_event(record)
            decoded_s = _clock()
            facts = step(self.state, event, self._now_ms)
            decided_s = _clock()
            fact_records(facts, origin, partition=0, term=_TERM)
            ended_s = _clock()
            times_us.append((decided_s - decoded_s) * 1e6)
            whole_us.append((ended_s - started_s) * 1e6)
            self._lives.tell(facts)
        return times_us, whole_us

    def time_naive(self, inputs: int) -> list[float]:
        """Microseconds of what a scan of all would do at each input."""
        scan = NaiveScan(self.state)
        times_us: list[float] = []
        for _ in range(inputs):
            event = self._next()
            started_s = _clock()
            scan.look(event)
            times_us.append((_clock() - started_s) * 1e6)
            scan.tell(self._decide(event))
        return times_us

    def _next(self) -> AnyInput:
        self._now_ms += 1
        self._number += 1
        event = self._lives.next_input(self._now_ms)
        assert event is not None, "all was told, so the story goes on"
        return event

    def _decide(self, event: AnyInput) -> list[PoolFact]:
        facts = step(self.state, event, self._now_ms)
        self._lives.tell(facts)
        return facts


def measure_memory(agents: int) -> list[Figure]:
    """What an agent takes, and a waiting contact, in a pool of so many of each; its snapshot's pauses, and its recovery's."""
    lives, now_ms = Lives(agents), SystemClock().now_ms()
    records = [_as_read(lives.record(lives.receive(now_ms), now_ms), number, now_ms) for number in range(agents)]
    opening = [_as_read(lives.record(event, now_ms), number, now_ms) for number, event in enumerate(lives.opening())]
    presences = opening[1:]
    state = new_state(POOL)
    tracemalloc.start()
    try:
        empty = _held_bytes()
        step(state, decode_event(opening[0]), now_ms)  # Nobody is available yet, so that whoever writes waits.
        for record in records:
            step(state, decode_event(record), now_ms)
        all_waiting = _held_bytes()
        contacts = len(state.contacts)
        assert len(state.index.waiting) == contacts == agents, "everybody waits"
        alone = new_state(POOL)
        before_agents = _held_bytes()
        step(alone, decode_event(opening[0]), now_ms)
        for record in presences:
            step(alone, decode_event(record), now_ms)
        agents_bytes = _held_bytes() - before_agents
        offline = new_state(POOL)
        before_offline = _held_bytes()
        step(offline, decode_event(opening[0]), now_ms)
        offline_bytes = _held_bytes() - before_offline
    finally:
        tracemalloc.stop()
    del alone, offline
    subject = f"pool of {agents:,} agents and as many waiting"
    each = {
        "bytes of an agent": agents_bytes / agents,
        "bytes of a waiting contact": (all_waiting - empty - offline_bytes) / contacts,
    }
    figures = [Figure(subject=subject, measure=name, unit="", runs=(value,)) for name, value in each.items()]
    return [*figures, *_measure_slices(state, subject)]


def _measure_slices(state: PoolState, subject: str) -> list[Figure]:
    """The longest pauses of a snapshot and of reading it back."""
    with collector_paused():
        source, freezing_ms, _ = _run(freezing(state))
        chunks: list[bytes] = []
        writing_ms = 0.0
        following = iter(snapshot_chunks(source, _CHUNK_BYTES))
        while True:
            started_s = _clock()
            chunk = next(following, None)
            writing_ms = max(writing_ms, (_clock() - started_s) * 1e3)
            if chunk is None:
                break
            chunks.append(chunk)
        _, restoring_ms, restoring_s = _run(restoring(POOL, chunks))
    return [
        Figure(subject=subject, measure=measure, unit=unit, runs=(value,))
        for measure, unit, value in (
            ("snapshot's longest pause", "ms", max(freezing_ms, writing_ms)),
            ("snapshot's size", "bytes", float(sum(map(len, chunks)))),
            ("restoring's longest pause", "ms", restoring_ms),
            ("restoring", "s", restoring_s),
        )
    ]


def _run(work: Generator[None, None, Any]) -> tuple[Any, float, float]:
    """What sliced work comes to, its longest slice (ms) and all of it (s)."""
    longest_s = total_s = 0.0
    while True:
        started_s = _clock()
        try:
            next(work)
        except StopIteration as end:
            last_s = _clock() - started_s
            return end.value, max(longest_s, last_s) * 1e3, total_s + last_s
        slice_s = _clock() - started_s
        longest_s, total_s = max(longest_s, slice_s), total_s + slice_s


def _held_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


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
