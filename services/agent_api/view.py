"""Folds a batch of records into the view, in the caller's transaction: fetch what the batch names, fold in memory, write once.

All writers of the view take one locked row first, so there is one order of batches, whoever applies them: a replica that comes second
finds the positions moved on and drops what was applied. Positions are written with the rows. Called by `tailer` alone; reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from libs.common.errors import CentralinoError
from libs.common.events import inputs, outbound, routing
from libs.common.log import streams
from libs.common.log.port import Record
from libs.common.plain_sql import LIST_MAX, PlainSession
from services.agent_api.store import tables
from services.agent_api.store.plain import PlainTable, inserting
from services.agent_api.store.rows import CommandRow, FrameRow
from services.agent_api.store.workset import Needs, Workset
from services.agent_api.view_messages import fold_delivery, fold_follow_up, fold_input, fold_outbound
from services.agent_api.view_queues import announce_queues
from services.agent_api.view_routing import fold_fact

# A replica that lags this far behind does not hand every missed frame to its streams; they begin anew instead.
MISSED_FRAMES_MAX: Final = 5_000

_LOCK: Final = "SELECT epoch, frame_seq FROM agent_view_state FOR UPDATE"
_FRAMES: Final = PlainTable(tables.frames, FrameRow)
_MISSED: Final = f"{_FRAMES.select} WHERE seq > ? AND seq <= ? ORDER BY seq"
_COMMANDS: Final = PlainTable(tables.commands, CommandRow)
_DECIDED: Final = f"{_COMMANDS.select} WHERE state <> 'pending' AND command_id IN ?"
_POSITIONS: Final = 'SELECT stream, "partition", next_offset FROM agent_positions WHERE stream IN ?'
_MOVE: Final = inserting(
    "agent_positions", ("stream", "partition", "next_offset", "term"), ("stream", "partition"), ("next_offset", "term")
)

Place = tuple[str, int]


class PositionLostError(CentralinoError):
    """The stored position is behind what this tailer has read: it has to go back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A record that counts, with its event."""

    record: Record
    event: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """How far a batch takes one partition, and the fence's term there. `from_offset` is where the batch begins."""

    from_offset: int
    next_offset: int
    term: int | None = None


@dataclass(slots=True, kw_only=True)
class Applied:
    """What a transaction has brought. `frames`: all newer than what the caller had seen, None when too many were missed.

    `applied` are the readings that were not applied by another replica before. `announce_in_ms`: supervisors are to be told about
    a queue after that time.
    """

    frame_seq: int
    frames: Sequence[FrameRow] | None
    decided: Mapping[str, CommandRow]
    applied: Sequence[Reading] = ()
    announce_in_ms: int | None = None
    positions: dict[Place, int] = field(default_factory=dict)


async def apply_batch(
    session: PlainSession,
    readings: Sequence[Reading],
    advances: Mapping[Place, Advance],
    *,
    now_ms: int,
    seen_seq: int,
    awaited: Iterable[str],
) -> Applied:
    """Fold what was not folded before and move the positions on. `awaited`: commands whose outcome the caller wants to know.

    Raises PositionLostError, and whatever the database raises; then nothing of it has happened.
    """
    epoch, frame_seq = await lock_view(session)
    stored = await _stored_positions(session, advances)
    new = [reading for reading in readings if reading.record.offset >= stored.get(_place(reading.record), -1)]
    rows = Workset(epoch=epoch, frame_seq=frame_seq)
    await rows.fetch(session, needs_of(new))
    for reading in new:
        fold(rows, reading)
    await rows.write(session)
    announce_in_ms = await announce_queues(session, rows, now_ms)
    await rows.write_frames(session)
    await _store_positions(session, advances, stored)
    waited_for = set(awaited)
    return Applied(
        frame_seq=rows.frame_seq,
        frames=await frames_between(session, seen_seq, frame_seq, rows.frames),
        decided=await _decided(session, rows, waited_for),
        applied=new,
        announce_in_ms=announce_in_ms,
    )


async def lock_view(session: PlainSession) -> tuple[str, int]:
    """The view's epoch and the number of its newest frame. Nobody else writes the view until this transaction ends."""
    ((epoch, frame_seq),) = await session.fetch(_LOCK)
    return epoch, frame_seq


def fold(rows: Workset, reading: Reading) -> None:
    """Fold one event into the rows."""
    record = reading.record
    # Zeros in front, so that entries of one moment stand in the log's order.
    entry_id = f"{record.stream}/{record.partition}/{record.offset:012d}"
    if record.stream == streams.ROUTING_INPUTS:
        fold_input(rows, reading.event, entry_id, record.timestamp_ms)
    elif record.stream == streams.ROUTING_EVENTS:
        if not isinstance(reading.event, routing.WriterStarted):
            fold_fact(rows, reading.event, entry_id)
    elif record.stream == streams.OUTBOUND_MESSAGES:
        fold_outbound(rows, reading.event, entry_id)
    elif record.stream == streams.DELIVERY_EVENTS:
        fold_delivery(rows, reading.event, entry_id)
    else:
        assert record.stream == streams.FOLLOWUP_EVENTS, "the tailer reads these streams and no other"
        fold_follow_up(rows, reading.event, entry_id)


def needs_of(readings: Iterable[Reading]) -> Needs:
    """The keys that these events name."""
    needs = Needs()
    for reading in readings:
        _add_needs(needs, reading.event)
    return needs


def _add_needs(needs: Needs, event: Any) -> None:
    _add_ids(needs, event)
    match event:
        case inputs.ContactReceived():
            needs.messages.add(event.message.id)
            needs.handles.update((event.message.handle, *event.message.handles))
        case routing.ContactQueued():
            needs.handles.update((event.handle, *event.handles))
        case routing.PresenceChanged():
            needs.agents.add(event.agent_id)
        case routing.PoolConfigured() | routing.QueuePaced() | routing.QueueDrained() | routing.DrainLifted():
            _add_needs_of_pool(needs, event)
        case outbound.ReplyRequested():
            needs.accounts[event.message_id] = event.account
        case outbound.AddressBounced():
            needs.handles.add(event.handle)
        case outbound.MessageSent() if event.provider_id is not None:
            needs.sent.add((event.message_id, event.provider_id))
        case outbound.MessageDelivered() | outbound.MessageRead():
            needs.provider_ids.add((event.account, event.provider_id))
        case outbound.MessageFailed() if event.account is not None and event.provider_id is not None:
            needs.provider_ids.add((event.account, event.provider_id))
        case _:
            pass


def _add_ids(needs: Needs, event: Any) -> None:
    for name, keys in (
        ("contact_id", needs.contacts),
        ("into_contact_id", needs.contacts),
        ("message_id", needs.messages),
        ("offer_id", needs.offers),
        ("note_id", needs.notes),
        ("command_id", needs.commands),
    ):
        value = getattr(event, name, None)
        if value:
            keys.add(value)


def _add_needs_of_pool(
    needs: Needs, event: routing.PoolConfigured | routing.QueuePaced | routing.QueueDrained | routing.DrainLifted
) -> None:
    if not isinstance(event, routing.PoolConfigured):
        needs.queues.add((event.pool, event.queue))
        return
    needs.pools.add(event.pool)
    needs.agents.update(agent.id for agent in event.agents)
    needs.queues.update((event.pool, queue.id) for queue in event.queues)


async def frames_between(
    session: PlainSession, after_seq: int, until_seq: int, own: Sequence[FrameRow]
) -> Sequence[FrameRow] | None:
    """Frames that others have written after `after_seq`, then our own. None when they are too many."""
    if until_seq <= after_seq:
        return own
    if until_seq - after_seq > MISSED_FRAMES_MAX:
        return None
    found = await session.fetch(_MISSED, after_seq, until_seq)
    return [*map(_FRAMES.row_of, found), *own]


async def read_commands(session: PlainSession, command_ids: Iterable[str]) -> dict[str, CommandRow]:
    """Those of these commands that are decided."""
    wanted = sorted(command_ids)
    decided: dict[str, CommandRow] = {}
    for start in range(0, len(wanted), LIST_MAX):
        for found in await session.fetch_in(_DECIDED, wanted[start : start + LIST_MAX]):
            row = _COMMANDS.row_of(found)
            decided[row.command_id] = row
    return decided


async def _decided(session: PlainSession, rows: Workset, awaited: set[str]) -> dict[str, CommandRow]:
    own = {row.command_id: row for row in rows.commands.present() if row.state != "pending"}
    others = awaited - own.keys()
    # Another replica may have applied the facts before us.
    return {**own, **await read_commands(session, others)}


def _place(record: Record) -> Place:
    return record.stream, record.partition


async def _stored_positions(session: PlainSession, advances: Mapping[Place, Advance]) -> dict[Place, int]:
    if not advances:
        return {}
    found = await session.fetch_in(_POSITIONS, sorted({stream for stream, _ in advances}))
    stored = {(stream, partition): next_offset for stream, partition, next_offset in found}
    for place, advance in advances.items():
        if place in stored and stored[place] < advance.from_offset:
            raise PositionLostError(f"{place[0]}/{place[1]}: stored {stored[place]}, read from {advance.from_offset}")
    return stored


async def _store_positions(
    session: PlainSession, advances: Mapping[Place, Advance], stored: Mapping[Place, int]
) -> None:
    moved = [
        (stream, partition, advance.next_offset, advance.term)
        for (stream, partition), advance in advances.items()
        if advance.next_offset > stored.get((stream, partition), -1)
    ]
    await session.execute_many(_MOVE, moved)
