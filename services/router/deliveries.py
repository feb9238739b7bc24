"""The facts of one term on their way to the log, a batch at a time.

While one batch is under way the next one is filled, but it leaves only when the first is known to stand there without a gap: a gap
means that somebody else wrote, and where that was a newer `WriterStarted`, nobody counts what this term appended. Called by a tenure,
which drops its state when anything here raises. It must not decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from libs.common.errors import CentralinoError
from libs.common.events.routing import PoolFact
from libs.common.log.fence import Fence
from libs.common.log.port import Appended, EventLog, NewRecord
from libs.common.log.streams import ROUTING_EVENTS
from services.router.batch import FactBatch
from services.router.origin import Origin

_GAP_WAIT_MS: Final = 1000

Append = Callable[[str, Sequence[NewRecord]], Awaitable[Appended]]
OnAppended = Callable[[Sequence[PoolFact], int], None]


class DeposedError(CentralinoError):
    """A newer writer has taken the partition over; what this one appends counts for nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnderWay:
    """A batch between us and the log. With it, all that follows from the inputs before `next_input` is there."""

    append: asyncio.Task[Appended]
    facts: Sequence[PoolFact]
    records: int
    next_input: int


class Deliveries:
    """See the module. `append` appends to the partition; `on_appended` hears of every batch that stands there.

    `next_output`: where the next batch must land. What followed from the inputs before `appended_input` is on the log.
    """

    def __init__(
        self,
        log: EventLog,
        batch: FactBatch,
        append: Append,
        on_appended: OnAppended,
        *,
        partition: int,
        started: Appended,
        next_input: int,
    ) -> None:
        self.next_output = started.last_offset + 1
        self.appended_input = next_input
        self._log: Final = log
        self._batch: Final = batch
        self._append: Final = append
        self._on_appended: Final = on_appended
        self._partition: Final = partition
        self._term: Final = started.first_offset
        self._under_way: _UnderWay | None = None

    @property
    def under_way(self) -> asyncio.Task[Appended] | None:
        """The append under way."""
        return None if self._under_way is None else self._under_way.append

    @property
    def free(self) -> bool:
        """Whether the next batch could leave at once."""
        return self._under_way is None or self._under_way.append.done()

    async def collect(self, facts: Sequence[PoolFact], origin: Origin, next_input: int) -> None:
        """Put one input's facts into the batch in hand; send that first where there is no room for all of them."""
        for part in self._batch.put(facts, origin):
            if not self._batch.has_room_for(part):
                await self.send(next_input)
            self._batch.add(part)

    async def send(self, next_input: int) -> None:
        """Put the batch in hand on its way, once the one before has arrived. Every input before `next_input` is in one of them.

        Raises what became of the one before, and DeposedError.
        """
        await self._arrive()
        if not self._batch.records:
            self.appended_input = next_input
            return
        records, facts = self._batch.take()
        append = asyncio.create_task(self._run(records), name=f"append of facts {self._partition}")
        self._under_way = _UnderWay(append=append, facts=facts, records=len(records), next_input=next_input)

    async def send_all(self, next_input: int) -> None:
        """Return when all that was collected is on the log."""
        await self.send(next_input)
        await self._arrive()

    async def raise_failure(self) -> None:
        """Raise what the batch under way failed with; nothing where there is none, or it has arrived."""
        if self._under_way is not None:
            await self._under_way.append

    async def close(self) -> None:
        """Give up what is under way. Its state is dropped: whether it stands there, whoever recovers will see."""
        if self._under_way is not None:
            append = self._under_way.append
            append.cancel()
            await asyncio.wait([append])
            if not append.cancelled():
                append.exception()

    async def _run(self, records: Sequence[NewRecord]) -> Appended:
        return await self._append(ROUTING_EVENTS, records)

    async def _arrive(self) -> None:
        under_way = self._under_way
        if under_way is None:
            return
        appended = await under_way.append
        self._under_way = None
        if appended.first_offset != self.next_output:
            await self._look_into_gap(appended.first_offset)
        self.next_output = appended.last_offset + 1
        self.appended_input = under_way.next_input
        self._on_appended(under_way.facts, under_way.records)

    async def _look_into_gap(self, before_offset: int) -> None:
        """Somebody else wrote between our last batch and the one that has just arrived. Raises DeposedError if that one is the newer
        writer. If not, they are the late batches of a writer that we deposed, and count for nobody.
        """
        fence = Fence(self._term)
        reader = await self._log.open_reader(ROUTING_EVENTS, {self._partition: self.next_output})
        try:
            while reader.position(self._partition) < before_offset:
                for record in await reader.poll(wait_ms=_GAP_WAIT_MS):
                    if record.offset < before_offset:
                        fence.admit(record)
        finally:
            await reader.close()
        if fence.term is not None and fence.term != self._term:
            raise DeposedError(
                f"partition {self._partition}: the writer of term {self._term} was deposed by that of {fence.term}"
            )
