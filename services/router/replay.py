"""Replay: decide again over `routing.inputs`, and compare with what stands on `routing.events`.

For audits and after an upgrade: the same inputs must give the facts that were given then. Where they do not, somebody changed what the
core decides, or what the log holds. Writes nothing. Called by the command line, by tests and by the simulation.

It begins where the log begins, or with the oldest snapshot that both streams still go on from. What the log cannot say is taken
from it: whether a pool was unknown to the configuration of that time shows in the refusal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from libs.common.errors import PoisonError
from libs.common.events.codec import decode_envelope, decode_event, type_of
from libs.common.events.inputs import AnyInput
from libs.common.events.routing import InputRefused, PoolFact
from libs.common.log.fence import Fence
from libs.common.log.port import EventLog, Record
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS
from services.router.core.model import new_state
from services.router.core.refusals import RefusalReason
from services.router.core.snapshot import restore
from services.router.origin import is_writer_started, origin_of
from services.router.recovery import RecoveryImpossibleError
from services.router.routing_state import RoutingState
from services.router.snapshot import StoredSnapshot, read_snapshots

_POLL_RECORDS: Final = 500
_POLL_WAIT_MS: Final = 1000
# What identifies a fact, and holds nothing that a customer wrote.
_SHOWN_FIELDS: Final = ("pool", "at_ms", "contact_id", "offer_id", "agent_id", "queue", "reason", "cause", "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first input whose facts are not those on the log. `expected` is what is decided now, `found` what was then.

    `output_offset`: where the first fact that differs stands, or would stand.
    """

    input_offset: int
    output_offset: int
    expected: Sequence[PoolFact]
    found: Sequence[PoolFact]

    def describe(self) -> str:
        """Several lines for an operator, without a customer's words."""
        lines = [f"input {self.input_offset}, output {self.output_offset}:"]
        for index in range(max(len(self.expected), len(self.found))):
            expected = self.expected[index] if index < len(self.expected) else None
            found = self.found[index] if index < len(self.found) else None
            if expected != found:
                lines.append(f"  fact {index}:")
                lines.append(f"    expected {describe_fact(expected)}")
                lines.append(f"    found    {describe_fact(found)}")
                if type(expected) is type(found):
                    lines.append(f"    they differ in {', '.join(_differing_fields(expected, found))}")
                break
        return "\n".join(lines)


@dataclass(kw_only=True)
class ReplayReport:
    """What a replay went over. `first_input`: where it began; `snapshot`: the id of the one that it began with.

    `undecided`: inputs at the end, from the first one on that has an effect and that no router has decided yet. `fenced`: records
    of deposed writers, which count for nobody.
    """

    partition: int
    first_input: int
    snapshot: str | None
    inputs: int = 0
    poison: int = 0
    undecided: int = 0
    fenced: int = 0
    facts: Counter[str] = field(default_factory=Counter)
    difference: Difference | None = None
    state: RoutingState


def describe_fact(fact: Any) -> str:
    """A fact's type and identifying fields."""
    if fact is None:
        return "nothing"
    shown = [f"{name}={value}" for name in _SHOWN_FIELDS if (value := getattr(fact, name, None)) is not None]
    return f"{type_of(fact)} {' '.join(shown)}"


def _differing_fields(one: Any, other: Any) -> list[str]:
    return [name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """The admitted facts of one input, and where the first of them stands."""

    input_offset: int
    output_offset: int
    facts: list[PoolFact]


async def replay_partition(log: EventLog, partition: int, *, pool: str | None = None) -> ReplayReport:
    """Decide a partition's inputs again, all of them or those of one pool, up to the first difference.

    Raises RecoveryImpossibleError where the log begins too late and no snapshot helps, LogUnavailableError, and PoisonError for a
    fact that cannot be read.
    """
    # In this order: a router at work meanwhile must not show us facts of inputs that we do not look at.
    end_output = await log.end_offset(ROUTING_EVENTS, partition)
    end_input = await log.end_offset(ROUTING_INPUTS, partition)
    start = await _starting_point(log, partition)
    state = RoutingState(partition=partition, partitions=log.partitions(ROUTING_INPUTS), configured=())
    if start is not None:
        state.pools.update({name: restore(name, chunks) for name, chunks in start.pools})
    manifest = None if start is None else start.manifest
    report = ReplayReport(
        partition=partition,
        first_input=0 if manifest is None else manifest.next_input,
        snapshot=None if manifest is None else manifest.id,
        state=state,
    )
    next_output = 0 if manifest is None else manifest.next_output
    fence = Fence(None if manifest is None else manifest.term)
    async with (
        aclosing(_records(log, ROUTING_INPUTS, partition, report.first_input, end_input)) as inputs,
        aclosing(_records(log, ROUTING_EVENTS, partition, next_output, end_output)) as outputs,
        aclosing(_groups(outputs, fence, pool, report)) as groups,
    ):
        await _compare(inputs, groups, pool, report, end_input)
    return report


async def _starting_point(log: EventLog, partition: int) -> StoredSnapshot | None:
    """The oldest snapshot to begin with, or None where both streams are there from their beginning."""
    begin_output = await log.begin_offset(ROUTING_EVENTS, partition)
    begin_input = await log.begin_offset(ROUTING_INPUTS, partition)
    if begin_output == 0 and begin_input == 0:
        return None
    stored = await read_snapshots(log, partition)
    for snapshot in reversed(stored.snapshots):
        if snapshot.manifest.next_output >= begin_output and snapshot.manifest.next_input >= begin_input:
            return snapshot
    raise RecoveryImpossibleError(
        f"partition {partition} begins at input {begin_input} and output {begin_output}, and no snapshot reaches that far"
    )


async def _compare(
    inputs: AsyncIterator[Record],
    groups: AsyncIterator[_Group],
    pool: str | None,
    report: ReplayReport,
    end_input: int,
) -> None:
    group = await anext(groups, None)
    async for record in inputs:
        try:
            origin_of(record)
            event = decode_event(record)
            if pool is not None and event.pool != pool:
                continue
            found = group.facts if group is not None and group.input_offset == record.offset else []
            expected = _decide(report.state, event, record.timestamp_ms, found)
        except PoisonError:
            report.poison += 1
            continue
        if group is None and expected:
            report.undecided = end_input - record.offset
            return
        report.inputs += 1
        report.facts.update(type_of(fact) for fact in expected)
        following = await anext(groups, None) if found else group
        # The settling of the last decided input may not be finished; the facts of any other one are all there.
        unfinished = following is None and found == expected[: len(found)]
        if found != expected and not unfinished:
            assert group is not None, "without one there is nothing to find, and nothing was expected"
            report.difference = _difference(record.offset, group, expected, found)
            return
        group = following
    if group is not None:
        report.difference = _difference(group.input_offset, group, [], group.facts)


def _decide(state: RoutingState, event: AnyInput, timestamp_ms: int, found: Sequence[PoolFact]) -> list[PoolFact]:
    """Decide an input. A pool without a state was configured or unknown then; the log knows which."""
    if event.pool not in state.pools:
        unknown = any(
            isinstance(fact, InputRefused) and fact.reason == RefusalReason.POOL_UNKNOWN.value for fact in found
        )
        if not unknown:
            state.pools[event.pool] = new_state(event.pool)
    return state.decide(event, timestamp_ms)


def _difference(
    input_offset: int, group: _Group, expected: Sequence[PoolFact], found: Sequence[PoolFact]
) -> Difference:
    return Difference(input_offset=input_offset, output_offset=group.output_offset, expected=expected, found=found)


async def _groups(
    outputs: AsyncIterator[Record], fence: Fence, pool: str | None, report: ReplayReport
) -> AsyncGenerator[_Group, None]:
    """The admitted facts by their input, in order."""
    group: _Group | None = None
    async for record in outputs:
        if not fence.admit(record):
            report.fenced += 1
            continue
        if is_writer_started(record) or (pool is not None and record.key != pool):
            continue
        input_offset = decode_envelope(record).input_offset
        if input_offset is None:
            raise PoisonError(f"{record.stream}/{record.partition}@{record.offset}: header missing: the input's offset")
        if group is None or group.input_offset != input_offset:
            if group is not None:
                yield group
            group = _Group(input_offset=input_offset, output_offset=record.offset, facts=[])
        group.facts.append(decode_event(record))
    if group is not None:
        yield group


async def _records(log: EventLog, stream: str, partition: int, first: int, end: int) -> AsyncGenerator[Record, None]:
    """The records from `first` to before `end`."""
    if first >= end:
        return
    reader = await log.open_reader(stream, {partition: first})
    try:
        while reader.position(partition) < end:
            for record in await reader.poll(max_records=_POLL_RECORDS, wait_ms=_POLL_WAIT_MS):
                if record.offset < end:
                    yield record
    finally:
        await reader.close()
