"""What has to be done from time to time: signs of life on the streams, the lag, and letting go of what nobody asks for any more.

Every replica does it; pruning twice prunes nothing twice. Started by `compose`.
"""

from __future__ import annotations

import asyncio
from typing import Final

import sqlalchemy as sa

from libs.common.errors import LogClosedError, OutageError
from libs.common.logging import get_logger
from services.agent_api.parts import Parts
from services.agent_api.store import tables
from services.agent_api.tailer import Tailer
from services.agent_api.view_frames import cursor_of, frame_text

HOUR_MS: Final = 3_600_000
FRAMES_KEPT_MS: Final = 24 * HOUR_MS
# As long as a client may still retry a request.
COMMANDS_KEPT_MS: Final = 7 * 24 * HOUR_MS
RECEIPTS_KEPT_MS: Final = 7 * 24 * HOUR_MS
THROUGHPUT_KEPT_MS: Final = 8 * 24 * HOUR_MS
PRUNE_EVERY_MS: Final = 60_000
LAG_EVERY_MS: Final = 5_000
FRAMES_PER_PRUNE: Final = 20_000


async def keep_up(parts: Parts, tailer: Tailer) -> None:
    """All of it, until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_ping(parts))
        group.create_task(_measure(parts, tailer))
        group.create_task(_prune(parts))


async def _ping(parts: Parts) -> None:
    while True:
        await parts.clock.sleep_ms(parts.settings.ping_ms)
        ping(parts)


def ping(parts: Parts) -> None:
    """Show every stream that it lives, with the newest cursor: also a client for whom nothing happens stays up to date."""
    cursor = cursor_of(parts.hub.epoch, parts.hub.seen_seq or 0)
    parts.hub.ping(frame_text("ping", cursor, parts.clock.now_ms(), {}))


async def _measure(parts: Parts, tailer: Tailer) -> None:
    while True:
        try:
            await tailer.measure_lag()
            # Reading may work while nothing can be written.
            parts.health.set("log", ok=parts.publisher.ready, detail="" if parts.publisher.ready else "no writer")
        except (OutageError, LogClosedError) as error:
            parts.health.set("log", ok=False, detail=str(error))
        await parts.clock.sleep_ms(LAG_EVERY_MS)


async def _prune(parts: Parts) -> None:
    while True:
        await parts.clock.sleep_ms(PRUNE_EVERY_MS)
        try:
            await prune(parts)
            parts.health.set("store", ok=True)
        except OutageError as error:
            parts.health.set("store", ok=False, detail=str(error))
            get_logger("upkeep").warning("cannot prune", outage=str(error))


async def prune(parts: Parts) -> None:
    """Delete old frames, commands, receipts, counters and tickets. Raises StoreUnavailableError."""
    now_ms = parts.clock.now_ms()
    async with parts.writing() as connection:
        # Under the view's lock, because a stream that resumes must know exactly which frames are gone.
        await connection.execute(sa.select(tables.view_state.c.frame_seq).with_for_update())
        frames = tables.frames.c
        old = (
            sa.select(frames.seq)
            .where(frames.at_ms < now_ms - FRAMES_KEPT_MS)
            .order_by(frames.seq)
            .limit(FRAMES_PER_PRUNE)
        )
        last = await connection.scalar(sa.select(sa.func.max(old.subquery().c.seq)))
        if last is not None:
            await connection.execute(sa.delete(tables.frames).where(frames.seq <= last))
            await connection.execute(sa.update(tables.view_state).values(pruned_seq=last))
    for table, column, kept_ms in (
        (tables.commands, tables.commands.c.asked_ms, COMMANDS_KEPT_MS),
        (tables.receipts, tables.receipts.c.at_ms, RECEIPTS_KEPT_MS),
        (tables.throughput, tables.throughput.c.minute_ms, THROUGHPUT_KEPT_MS),
        (tables.stream_tickets, tables.stream_tickets.c.expires_ms, 0),
    ):
        async with parts.writing() as connection:
            await connection.execute(sa.delete(table).where(column < now_ms - kept_ms))
