"""Snapshots as they stand on `routing.snapshots`: written in chunks beside the running worker, read back whole or not at all.

A partition has a few generations, so that the newest complete ones stay while another is written (see `generations`). A generation is
its chunks
(`partition/generation/index`) and then its manifest (`partition/generation/manifest`), which names them by the snapshot's id and holds
their digest. What lacks a chunk, mixes two snapshots or has another digest is no snapshot; whoever recovers takes the other one.

A manifest says for which offsets its state holds. Its writer took the state when every batch had been appended without a gap, so the
state is that of the admitted history before `next_output`, and stays true whoever writes after that: a snapshot that a deposed
writer finishes late is as good as any. This module must not decide when a snapshot is due; the worker does.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from libs.common.clock import rfc3339
from libs.common.errors import OutageError
from libs.common.log.port import EventLog, NewRecord, Record, Writer
from libs.common.log.streams import ROUTING_SNAPSHOTS
from services.router.core.snapshot import SnapshotSource, snapshot_chunks
from services.router.origin import SOURCE

FORMAT: Final = 1
GENERATIONS: Final = (0, 1, 2, 3)
_CHUNK_TYPE: Final = "centralino.router.snapshot-chunk.v1"
_MANIFEST_TYPE: Final = "centralino.router.snapshot-manifest.v1"
_MANIFEST: Final = "manifest"
_POLL_WAIT_MS: Final = 1000


class SnapshotContestedError(OutageError):
    """Another writer wrote snapshots of this partition at the same time; trying again later helps."""


class PoolChunks(msgspec.Struct, frozen=True, kw_only=True):
    """How many chunks in a row are this pool's."""

    pool: str
    chunks: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is of. The state holds every input before `next_input` and every admitted fact before `next_output`,
    where `term` was the newest writer's. `digest` is the SHA-256 of all chunks, each after its length.
    """

    format: int
    id: str
    partition: int
    generation: int
    term: int
    next_output: int
    next_input: int
    taken_ms: int
    pools: tuple[PoolChunks, ...]
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenState:
    """The state of a partition at one point, safe from what is decided after it."""

    term: int
    next_output: int
    next_input: int
    taken_ms: int
    pools: tuple[tuple[str, SnapshotSource], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """A complete snapshot as read: its manifest and each pool's chunks, in order."""

    manifest: Manifest
    pools: tuple[tuple[str, tuple[bytes, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshots:
    """The complete snapshots of a partition, newest first, and the end of the stream that they were read up to. `torn`: generations that
    hold something, and no complete snapshot.
    """

    snapshots: tuple[StoredSnapshot, ...]
    end_offset: int
    torn: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSnapshot:
    """A snapshot just written: its manifest, where it ends, and for how long the worker was held up at most at one time."""

    manifest: Manifest
    end_offset: int
    pause_max_s: float


async def write_snapshot(
    log: EventLog, frozen: FrozenState, *, partition: int, generation: int, expected_offset: int, chunk_bytes: int
) -> WrittenSnapshot:
    """Write a snapshot over the given generation, letting others run between the chunks.

    `expected_offset`: where the stream ends as far as the caller knows. Raises SnapshotContestedError when somebody else
    turns out to write there too, and LogUnavailableError; what was written until then is an incomplete generation.
    """
    writer = await log.open_writer(f"snapshot-{partition}")
    try:
        return await _Writing(writer, frozen, partition, generation, expected_offset).run(chunk_bytes)
    finally:
        await writer.close()


class _Writing:
    """One snapshot on its way."""

    def __init__(self, writer: Writer, frozen: FrozenState, partition: int, generation: int, expected: int) -> None:
        self._writer = writer
        self._frozen = frozen
        self._partition = partition
        self._generation = generation
        self._expected = expected
        self._id = f"{partition}-{frozen.term}-{frozen.next_output}-{frozen.next_input}"
        self._digest = hashlib.sha256()
        self._chunks = 0
        self._size_bytes = 0

    async def run(self, chunk_bytes: int) -> WrittenSnapshot:
        pools: list[PoolChunks] = []
        pause_max_s = 0.0
        for pool, source in self._frozen.pools:
            before = self._chunks
            chunks = iter(snapshot_chunks(source, chunk_bytes))
            while True:
                started_s = time.perf_counter()
                chunk = next(chunks, None)
                if chunk is None:
                    break
                record = self._chunk_record(chunk)
                pause_max_s = max(pause_max_s, time.perf_counter() - started_s)
                await self._append(record)
                await asyncio.sleep(0)
            pools.append(PoolChunks(pool=pool, chunks=self._chunks - before))
        manifest = Manifest(
            format=FORMAT,
            id=self._id,
            partition=self._partition,
            generation=self._generation,
            term=self._frozen.term,
            next_output=self._frozen.next_output,
            next_input=self._frozen.next_input,
            taken_ms=self._frozen.taken_ms,
            pools=tuple(pools),
            size_bytes=self._size_bytes,
            digest=self._digest.hexdigest(),
        )
        await self._append(self._record(_MANIFEST, _MANIFEST_TYPE, msgspec.json.encode(manifest)))
        return WrittenSnapshot(manifest=manifest, end_offset=self._expected, pause_max_s=pause_max_s)

    def _chunk_record(self, chunk: bytes) -> NewRecord:
        _add_to_digest(self._digest, chunk)
        record = self._record(str(self._chunks), _CHUNK_TYPE, chunk)
        self._chunks += 1
        self._size_bytes += len(chunk)
        return record

    def _record(self, name: str, record_type: str, value: bytes) -> NewRecord:
        return NewRecord(
            key=f"{self._partition}/{self._generation}/{name}",
            value=value,
            headers=(
                ("ce_specversion", b"1.0"),
                ("ce_source", SOURCE.encode()),
                ("ce_type", record_type.encode()),
                ("ce_id", f"{self._id}/{self._generation}/{name}".encode()),
                ("ce_subject", self._id.encode()),
                ("ce_time", rfc3339(self._frozen.taken_ms).encode()),
                ("correlationid", b""),
                ("content-type", b"application/json" if name == _MANIFEST else b"application/octet-stream"),
            ),
        )

    async def _append(self, record: NewRecord) -> None:
        appended = await self._writer.append(ROUTING_SNAPSHOTS, self._partition, (record,))
        if appended.first_offset != self._expected:
            raise SnapshotContestedError
        self._expected = appended.last_offset + 1


async def read_snapshots(log: EventLog, partition: int) -> StoredSnapshots:
    """The complete snapshots of a partition, newest first; none where none is complete."""
    end = await log.end_offset(ROUTING_SNAPSHOTS, partition)
    newest: dict[str, Record] = {}
    begin = await log.begin_offset(ROUTING_SNAPSHOTS, partition)
    if begin < end:
        reader = await log.open_reader(ROUTING_SNAPSHOTS, {partition: begin})
        try:
            while reader.position(partition) < end:
                for record in await reader.poll(wait_ms=_POLL_WAIT_MS):
                    newest[record.key] = record
        finally:
            await reader.close()
        end = max(end, reader.position(partition))
    found = [
        snapshot
        for generation in GENERATIONS
        if (snapshot := _complete_snapshot(newest, partition, generation)) is not None
    ]
    found.sort(key=lambda snapshot: (snapshot.manifest.next_output, snapshot.manifest.next_input), reverse=True)
    complete = {snapshot.manifest.generation for snapshot in found}
    begun = {key.split("/")[1] for key in newest}
    torn = [generation for generation in GENERATIONS if str(generation) in begun and generation not in complete]
    return StoredSnapshots(snapshots=tuple(found), end_offset=end, torn=tuple(torn))


def _complete_snapshot(newest: dict[str, Record], partition: int, generation: int) -> StoredSnapshot | None:
    """The snapshot of a generation, or None where it is missing, half-written, mixed or damaged."""
    record = newest.get(f"{partition}/{generation}/{_MANIFEST}")
    if record is None:
        return None
    try:
        manifest = msgspec.json.decode(record.value, type=Manifest)
    except msgspec.DecodeError:
        return None
    if manifest.format != FORMAT:
        return None
    digest = hashlib.sha256()
    pools: list[tuple[str, tuple[bytes, ...]]] = []
    index = 0
    for entry in manifest.pools:
        chunks = _chunks_of(newest, manifest, index, entry.chunks)
        if chunks is None:
            return None
        for chunk in chunks:
            _add_to_digest(digest, chunk)
        pools.append((entry.pool, tuple(chunks)))
        index += entry.chunks
    if digest.hexdigest() != manifest.digest:
        return None
    return StoredSnapshot(manifest=manifest, pools=tuple(pools))


def _chunks_of(newest: dict[str, Record], manifest: Manifest, first: int, count: int) -> Sequence[bytes] | None:
    chunks: list[bytes] = []
    for index in range(first, first + count):
        record = newest.get(f"{manifest.partition}/{manifest.generation}/{index}")
        if record is None or record.header("ce_subject") != manifest.id:
            return None
        chunks.append(record.value)
    return chunks


def _add_to_digest(digest: hashlib._Hash, chunk: bytes) -> None:
    digest.update(len(chunk).to_bytes(8, "big"))
    digest.update(chunk)
