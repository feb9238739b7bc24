"""Tells supervisors how their queues stand, a few times a second at most, whatever happens in them.

Which queues changed, and when each was last announced, stands in the tables: so several replicas announce no more often than one, and a
restart forgets none. Called by `view`, inside its transaction.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.agent_api.presentation import time_or_none
from services.agent_api.store import tables
from services.agent_api.store.rows import QueueRow
from services.agent_api.store.workset import Workset
from services.agent_api.view_frames import tell

ANNOUNCE_EVERY_MS: Final = 500


@dataclass(slots=True)
class QueueCounts:
    """What stands in a queue. `active` are all that an agent has: active, held and in wrap-up."""

    waiting: int = 0
    offered: int = 0
    active: int = 0
    oldest_received_ms: int | None = None


async def announce_queues(connection: AsyncConnection, rows: Workset, now_ms: int) -> int | None:
    """Add a frame for every queue that changed and was not announced lately. Gives the time in ms until the next one is due."""
    await rows.queues.fetch(connection, rows.touched_queues)
    for pool, queue in sorted(rows.touched_queues):
        if rows.queues.get((pool, queue)) is None:
            rows.queues.put(QueueRow(pool=pool, queue=queue))
        rows.queues.change((pool, queue)).changed = True
    await rows.queues.fetch_where(connection, tables.queues.c.changed.is_(True))
    waiting = [row for row in rows.queues.present() if row.changed]
    # A clock that went back (another replica's) announces at once rather than never.
    due = [row for row in waiting if not 0 <= now_ms - row.announced_ms < ANNOUNCE_EVERY_MS]
    counts = await count_contacts(connection, {row.pool for row in due}, {row.queue for row in due})
    for row in sorted(due, key=lambda row: (row.pool, row.queue)):
        queue_row = rows.queues.change((row.pool, row.queue))
        queue_row.changed = False
        queue_row.announced_ms = now_ms
        body = {"queue": queue_body(row.pool, row.queue, counts[row.pool, row.queue])}
        tell(rows, "queue.changed", body, pool=row.pool, agent_id=None, at_ms=now_ms)
    await rows.queues.write(connection)
    later = [row.announced_ms + ANNOUNCE_EVERY_MS - now_ms for row in waiting if row.changed]
    return min(later) if later else None


async def count_contacts(
    connection: AsyncConnection, pools: set[str], queues: set[str]
) -> defaultdict[tuple[str, str], QueueCounts]:
    """How many contacts stand where, by pool and queue, in all combinations of these."""
    counts: defaultdict[tuple[str, str], QueueCounts] = defaultdict(QueueCounts)
    if not pools:
        return counts
    columns = tables.contacts.c
    found = await connection.execute(
        sa.select(columns.pool, columns.queue, columns.state, sa.func.count(), sa.func.min(columns.received_ms))
        .where(
            columns.pool.in_(sorted(pools)),
            columns.queue.in_(sorted(queues)),
            columns.state.in_(("queued", "offered", "active", "held", "wrap_up")),
        )
        .group_by(columns.pool, columns.queue, columns.state)
    )
    for pool, queue, state, number, oldest_ms in found:
        count = counts[pool, queue]
        if state == "queued":
            count.waiting = number
            count.oldest_received_ms = oldest_ms
        elif state == "offered":
            count.offered = number
        else:
            count.active += number
    return counts


def queue_body(pool: str, queue: str, counts: QueueCounts) -> dict[str, Any]:
    """A queue's numbers as frames show them."""
    return {
        "pool": pool,
        "id": queue,
        "waiting": counts.waiting,
        "offered": counts.offered,
        "active": counts.active,
        "oldest_received_at": time_or_none(counts.oldest_received_ms),
    }
