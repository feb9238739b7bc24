"""The event log as everything above it sees it: streams of partitions of records, appended in whole batches.

Three adapters (memory, SQLite, Kafka) stand behind these protocols and one contract suite runs over all of them. Kafka's real
behaviour is the measure. There are no stored consumer offsets: whoever reads keeps its position with what it made of the
records, in the same transaction. There is no lock: a claim only suggests who should work on a partition, and readers of a
fenced stream skip what a deposed writer wrote (see `fence`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

Headers = tuple[tuple[str, bytes], ...]


# Records are structs and not dataclasses because each is made and thrown away once: a frozen dataclass takes ten times as long to make.


class NewRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record about to be appended. `key` is the stream's key in text (see `streams`).

    `size_max`: the most that it takes in a batch (see `batch`), where its maker knows that and that its headers' names are ASCII; 0
    where it is to be measured.
    """

    key: str
    value: bytes
    headers: Headers = ()
    size_max: int = 0


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record as read. `timestamp_ms` was set by the log at the append and never falls within a partition
    of the memory and SQLite logs; on Kafka it is the leader's clock.
    """

    stream: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str
    value: bytes
    headers: Headers

    def header(self, name: str) -> str | None:
        """The first header of that name, as text."""
        for key, value in self.headers:
            if key == name:
                return value.decode("utf-8", "replace")
        return None


class Appended(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a batch landed: its first and last offset, and the log's time."""

    first_offset: int
    last_offset: int
    timestamp_ms: int


class Writer(Protocol):
    """Appends batches. Batches of one writer to one partition land in the order of the calls."""

    async def append(self, stream: str, partition: int, records: Sequence[NewRecord]) -> Appended:
        """Append one batch to one partition: wholly or not at all, durable when this returns.

        Raises LogUnavailableError when the outcome is unknown or the log is away (the writer is broken from then on: close it,
        open another), BatchTooLargeError before anything is written, LogClosedError after a failure or a close.
        An empty batch is a programming error (AssertionError).
        """
        ...

    async def close(self) -> None:
        """Let go of everything. Appends under way end with their outcome or with LogUnavailableError."""
        ...


class Reader(Protocol):
    """Reads some partitions of one stream from given offsets on."""

    async def poll(self, *, max_records: int = 500, wait_ms: int = 0) -> list[Record]:
        """The next records, in order within each partition; empty when none came within `wait_ms`.

        Only committed, whole batches are seen, but a poll may end inside a batch. Raises LogUnavailableError (call again
        later, the position is kept) and OffsetOutOfRangeError.
        """
        ...

    def position(self, partition: int) -> int:
        """The offset of the next record that `poll` returns for this partition."""
        ...

    async def seek(self, partition: int, offset: int) -> None:
        """Go on from this offset."""
        ...

    async def close(self) -> None:
        """Stop reading."""
        ...


OnAssigned = Callable[[frozenset[int]], Awaitable[None]]
OnRevoked = Callable[[frozenset[int]], Awaitable[None]]


class Claim(Protocol):
    """Membership in a group that shares a stream's partitions."""

    async def close(self) -> None:
        """Leave: `on_revoked` is called for what is held, by the same path as a revocation, then others may take it."""
        ...


class EventLog(Protocol):
    """A log of streams. `connect` before anything else; every other call may raise LogUnavailableError."""

    async def connect(self) -> None:
        """Reach the log, make the streams that are missing and check those that exist. May be called again after a failure."""
        ...

    async def close(self) -> None:
        """Close every reader, writer and claim that is still open."""
        ...

    def partitions(self, stream: str) -> int:
        """How many partitions the stream has. Known without a connection."""
        ...

    async def open_writer(self, name: str) -> Writer:
        """A writer; `name` says in logs and metrics whose it is."""
        ...

    async def open_reader(self, stream: str, offsets: Mapping[int, int]) -> Reader:
        """A reader of these partitions, each from its offset."""
        ...

    async def claim(self, group: str, stream: str, on_assigned: OnAssigned, on_revoked: OnRevoked) -> Claim:
        """Join a group that shares the stream's partitions; each partition is with at most one live member that the log knows of.

        The callbacks are awaited one at a time. A partition is handed on only after its `on_revoked` returned, or its member died.
        """
        ...

    async def begin_offset(self, stream: str, partition: int) -> int:
        """The offset of the oldest record that is still there (the end offset when there is none)."""
        ...

    async def end_offset(self, stream: str, partition: int) -> int:
        """The offset that the next record will have, or one after the newest record."""
        ...

    async def trim(self, stream: str, partition: int, before_offset: int) -> None:
        """Allow records older than this offset to go, where they are also older than the stream's retention.

        Kafka lets go by time alone (`retention.ms`) and ignores this call.
        """
        ...
