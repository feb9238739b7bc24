"""Recovery: the state of a partition as the log tells it, up to a given offset of its facts.

Newest complete snapshot, then every admitted fact after it. The same for a start, a fail-over and a retry after an error, and for
replay. It must write nothing, and decide nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from libs.common.errors import CentralinoError, PoisonError
from libs.common.events.codec import HEADER_INPUT_OFFSET, decode_event
from libs.common.log.fence import Fence
from libs.common.log.port import EventLog, Record
from libs.common.log.streams import ROUTING_EVENTS
from libs.common.logging import get_logger
from services.router.core.snapshot import SnapshotUnreadableError, restoring
from services.router.origin import Origin, is_writer_started
from services.router.routing_state import RoutingState
from services.router.slices import run_in_slices
from services.router.snapshot import Manifest, StoredSnapshots, read_snapshots

_POLL_RECORDS = 500
_POLL_WAIT_MS = 1000


class RecoveryImpossibleError(CentralinoError):
    """The log no longer holds what the state follows from: facts are gone and no snapshot stands in for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The state before `next_output` and `next_input`. `last`: the input that the last admitted fact came from, where one was folded;
    its settling may not be finished. `folded`: how many facts came from the log.
    """

    state: RoutingState
    next_input: int
    next_output: int
    last: Origin | None
    folded: int
    snapshots: StoredSnapshots


async def recover(log: EventLog, *, partition: int, configured: Collection[str], before_offset: int) -> Recovered:
    """The state that follows from every admitted fact before `before_offset`, an offset that the log has reached.

    Raises RecoveryImpossibleError, PoisonError (a fact of ours that cannot be read: this version is older than the log) and
    LogUnavailableError.
    """
    partitions = log.partitions(ROUTING_EVENTS)
    snapshots = await read_snapshots(log, partition)
    begin = await log.begin_offset(ROUTING_EVENTS, partition)
    state = RoutingState(partition=partition, partitions=partitions, configured=configured)
    start = await _restore_newest(state, snapshots, begin=begin, before_offset=before_offset)
    if start is None:
        if begin > 0:
            raise RecoveryImpossibleError(
                f"{ROUTING_EVENTS}/{partition} begins at {begin} and no complete snapshot reaches that far"
            )
        folding = _Folding(state, Fence(None), next_output=0, next_input=0)
    else:
        folding = _Folding(state, Fence(start.term), next_output=start.next_output, next_input=start.next_input)
    await folding.run(log, partition, before_offset)
    return Recovered(
        state=state,
        next_input=folding.next_input,
        next_output=folding.next_output,
        last=folding.last,
        folded=folding.folded,
        snapshots=snapshots,
    )


async def _restore_newest(
    state: RoutingState, snapshots: StoredSnapshots, *, begin: int, before_offset: int
) -> Manifest | None:
    """Put the newest usable snapshot into the state: the facts still on the log go on from it, and this version can read it."""
    for snapshot in snapshots.snapshots:
        manifest = snapshot.manifest
        if not begin <= manifest.next_output <= before_offset:
            continue
        try:
            restored = {}
            for pool, chunks in snapshot.pools:
                restored[pool], _ = await run_in_slices(restoring(pool, chunks))
        except SnapshotUnreadableError as error:
            get_logger("router").warning("snapshot not readable", snapshot=manifest.id, why=str(error))
            continue
        state.pools.update(restored)
        return manifest
    return None


class _Folding:
    """Facts on their way into the state."""

    def __init__(self, state: RoutingState, fence: Fence, *, next_output: int, next_input: int) -> None:
        self.next_output = next_output
        self.next_input = next_input
        self.last: Origin | None = None
        self.folded = 0
        self._state = state
        self._fence = fence

    async def run(self, log: EventLog, partition: int, before_offset: int) -> None:
        if self.next_output >= before_offset:
            return
        reader = await log.open_reader(ROUTING_EVENTS, {partition: self.next_output})
        try:
            while self.next_output < before_offset:
                for record in await reader.poll(max_records=_POLL_RECORDS, wait_ms=_POLL_WAIT_MS):
                    if record.offset < before_offset:
                        self._fold(record)
                self.next_output = min(reader.position(partition), before_offset)
        finally:
            await reader.close()

    def _fold(self, record: Record) -> None:
        if not self._fence.admit(record) or is_writer_started(record):
            return
        headers = dict(record.headers)
        try:
            input_offset = int(headers[HEADER_INPUT_OFFSET])
        except (KeyError, ValueError):
            place = f"{record.stream}/{record.partition}@{record.offset}"
            raise PoisonError(f"{place}: header missing or malformed: the input's offset") from None
        self._state.fold(decode_event(record))
        self.folded += 1
        self.next_input = max(self.next_input, input_offset + 1)
        self.last = Origin(
            input_offset=input_offset,
            causation_id=headers.get("causationid", b"").decode("utf-8", "replace"),
            correlation_id=headers.get("correlationid", b"").decode("utf-8", "replace"),
        )
