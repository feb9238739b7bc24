"""The forwarder: what a pool has for other pools goes from its outbox into their inputs.

Each of it is appended after the fact that it follows from stands on the log without a gap, so that nobody's zombie hands anything over that
did not happen, and before its own pool is told so: a crash in between hands it over once more, under the same id, and the other pool takes
it once. Called by a tenure, whose state it reads; it must not decide.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final

from libs.common.events.codec import encode_record
from libs.common.events.inputs import AnyHandover, CustomerLeft, ForwardedContactEnded, HandoversAppended
from libs.common.log.batch import record_bytes
from libs.common.log.port import NewRecord
from libs.common.log.streams import partition_of
from services.router.core.model import PoolState
from services.router.origin import SOURCE

_RECORDS_MAX: Final = 500
_BYTES_MAX: Final = 800_000

Append = Callable[[int, Sequence[NewRecord]], Awaitable[object]]
Tell = Callable[[HandoversAppended], Awaitable[object]]


class Forwarder:
    """The hand-overs of one tenure. `append` appends inputs to a partition, `tell` one to the tenure's own."""

    def __init__(self, append: Append, tell: Tell, *, partitions: int) -> None:
        self._append: Final = append
        self._tell: Final = tell
        self._partitions: Final = partitions
        self._sent: dict[str, dict[str, None]] = {}  # Pool -> what was handed over and is still in its outbox.

    def due(self, pools: Mapping[str, PoolState]) -> bool:
        """Whether there is anything to hand over; all that was decided must be on the log before `forward`."""
        return any(
            len(state.outbox) > len(self._sent.get(pool, ())) or self._is_new(pool, state)
            for pool, state in pools.items()
            if state.outbox
        )

    def _is_new(self, pool: str, state: PoolState) -> bool:
        sent = self._sent.get(pool, {})
        return any(handover_id not in sent for handover_id in state.outbox)

    async def forward(self, pools: Mapping[str, PoolState], now_ms: int) -> None:
        """Hand over what is in the outboxes, in their order, and tell its pools. Raises what appending raises."""
        for pool, state in pools.items():
            if not state.outbox:
                self._sent.pop(pool, None)
                continue
            sent = self._sent.get(pool, {})
            new = {key: handover for key, handover in state.outbox.items() if key not in sent}
            if not new:
                continue
            for partition, records in self._batches(new, now_ms):
                await self._append(partition, records)
            self._sent[pool] = dict.fromkeys(state.outbox)
            await self._tell(HandoversAppended(pool=pool, ids=tuple(new)))

    def _batches(self, handovers: Mapping[str, AnyHandover], now_ms: int) -> Iterator[tuple[int, Sequence[NewRecord]]]:
        """Their records by partition, in order, as many at a time as one append may hold."""
        by_partition: dict[int, list[NewRecord]] = {}
        sizes: dict[int, int] = {}
        for handover_id, handover in handovers.items():
            record = handover_record(handover_id, handover, now_ms)
            partition = partition_of(handover.pool, self._partitions)
            batch = by_partition.setdefault(partition, [])
            size = record_bytes(record)
            if batch and (len(batch) >= _RECORDS_MAX or sizes[partition] + size > _BYTES_MAX):
                yield partition, batch
                batch = by_partition[partition] = []
                sizes[partition] = 0
            batch.append(record)
            sizes[partition] = sizes.get(partition, 0) + size
        yield from by_partition.items()


def _correlation_id(handover: AnyHandover) -> str:
    """That of the request by which the customer's message came in, so that it runs through whatever other pools make of it."""
    if isinstance(handover, ForwardedContactEnded):
        return ""  # That the contact is over there is no answer to anybody's request.
    if isinstance(handover, CustomerLeft):
        return handover.correlation_id
    return "" if handover.letter is None else handover.letter.correlation_id


def handover_record(handover_id: str, handover: AnyHandover, now_ms: int) -> NewRecord:
    """The input that the other pool gets: the same id whoever appends it, and however often."""
    return encode_record(
        handover,
        key=handover.pool,
        event_id=f"{handover_id}>{handover.pool}",
        source=SOURCE,
        time_ms=now_ms,
        correlation_id=_correlation_id(handover),
    )
