"""Facts on their way to one append: as many as fit, and never less than all that one input caused at once.

Pure. Called by a tenure, which appends what `take` gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from libs.common.events.routing import PoolFact
from libs.common.log.port import NewRecord
from services.router.origin import Origin, fact_records
from services.router.settings import RouterSettings

# What one input causes by itself, before settling, at most: a customer who left is given up, his new contact waits, is to be called back,
# and he is told so. It must not be cut: whoever recovers goes on with the settling alone.
OWN_FACTS_MAX: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Facts that must stand in one batch, as records. `size_bytes`: the most that they can take."""

    facts: Sequence[PoolFact]
    records: Sequence[NewRecord]
    size_bytes: int


class FactBatch:
    """The batch in hand of one term. A batch may be over its limits only where a single part is."""

    def __init__(self, settings: RouterSettings, *, partition: int, term: int) -> None:
        self.records: list[NewRecord] = []
        self._facts: list[PoolFact] = []
        self._size_bytes = 0
        self._records_max: Final = settings.router_batch_records_max
        self._bytes_max: Final = settings.router_batch_bytes_max
        self._partition: Final = partition
        self._term: Final = term
        self._index_of_input = (-1, 0)

    def parts(self, facts: Sequence[PoolFact], origin: Origin) -> Sequence[Part]:
        """One input's facts, in order, in parts that fit. What the input caused by itself is in the first of them."""
        return self._parts(facts, self._make_records(facts, origin))

    def put(self, facts: Sequence[PoolFact], origin: Origin) -> Sequence[Part]:
        """Put one input's facts in, behind what is there, where there is room for all. Otherwise nothing is put in, and these are their
        `parts`.
        """
        records = self._make_records(facts, origin)
        size_bytes = self._size_bytes
        for record in records:
            size_bytes += record.size_max
        if len(self.records) + len(records) > self._records_max or size_bytes > self._bytes_max:
            return self._parts(facts, records)
        self.records += records
        self._facts += facts
        self._size_bytes = size_bytes
        return ()

    def _make_records(self, facts: Sequence[PoolFact], origin: Origin) -> list[NewRecord]:
        first_index = self._next_index(origin, len(facts))
        return fact_records(facts, origin, partition=self._partition, term=self._term, first_index=first_index)

    def _parts(self, facts: Sequence[PoolFact], records: Sequence[NewRecord]) -> Sequence[Part]:
        whole_bytes = sum([record.size_max for record in records])
        if len(records) <= self._records_max and whole_bytes <= self._bytes_max:
            return [Part(facts=facts, records=records, size_bytes=whole_bytes)]
        return list(self._cut(facts, records))

    def _cut(self, facts: Sequence[PoolFact], records: Sequence[NewRecord]) -> Iterator[Part]:
        first, size_bytes = 0, 0
        for index, record in enumerate(records):
            record_size = record.size_max
            full = index - first >= self._records_max or size_bytes + record_size > self._bytes_max
            if full and index > first and index >= OWN_FACTS_MAX:
                yield Part(facts=facts[first:index], records=records[first:index], size_bytes=size_bytes)
                first, size_bytes = index, 0
            size_bytes += record_size
        yield Part(facts=facts[first:], records=records[first:], size_bytes=size_bytes)

    def has_room_for(self, part: Part) -> bool:
        """Whether the part still fits; anything fits into an empty batch."""
        return not self.records or (
            len(self.records) + len(part.records) <= self._records_max
            and self._size_bytes + part.size_bytes <= self._bytes_max
        )

    def add(self, part: Part) -> None:
        """Put the part in, behind what is there."""
        self.records += part.records
        self._facts += part.facts
        self._size_bytes += part.size_bytes

    def take(self) -> tuple[list[NewRecord], list[PoolFact]]:
        """The batch, and an empty one in its place."""
        taken = self.records, self._facts
        self.records, self._facts, self._size_bytes = [], [], 0
        return taken

    def _next_index(self, origin: Origin, count: int) -> int:
        """The index of an input's next fact, which makes its id: an input's settling may come in several calls."""
        offset, index = self._index_of_input
        first = index if offset == origin.input_offset else 0
        self._index_of_input = (origin.input_offset, first + count)
        return first
