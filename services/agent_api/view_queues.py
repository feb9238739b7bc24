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

from libs.common.plain_sql import PlainSession
from services.agent_api.presentation import drain_body, time_or_none
from services.agent_api.store import tables
from services.agent_api.store.rows import OPEN_STATES, QueueRow
from services.agent_api.store.tables import ID_CHARS_MAX, clean_text
from services.agent_api.store.workset import Workset
from services.agent_api.view_frames import tell

ANNOUNCE_EVERY_MS: Final = 500
_COUNT: Final = (
    "SELECT state, count(*), min(received_ms) FROM agent_contacts WHERE pool = ? AND queue = ?"
    " AND state IN ('queued', 'scheduled', 'offered', 'active', 'held', 'wrap_up') GROUP BY state"
)


@dataclass(slots=True)
class QueueCounts:
    """What stands in a queue. `active` are all that an agent has: active, held and in wrap-up; `scheduled` callbacks whose
    time has not come.
    """

    waiting: int = 0
    offered: int = 0
    active: int = 0
    scheduled: int = 0
    oldest_received_ms: int | None = None

    def add(self, state: str, number: int, oldest_ms: int) -> None:
        """So many contacts are in this state, and the oldest of them came then."""
        if state == "queued":
            self.waiting = number
            self.oldest_received_ms = oldest_ms
        elif state == "scheduled":
            self.scheduled = number
        elif state == "offered":
            self.offered = number
        else:
            self.active += number


async def announce_queues(session: PlainSession, rows: Workset, now_ms: int) -> int | None:
    """Add a frame for every queue that changed and was not announced lately. Gives the time in ms until the next one is due."""
    await rows.queues.fetch(session, rows.touched_queues)
    for pool, queue in sorted(rows.touched_queues):
        if rows.queues.get((pool, queue)) is None:
            rows.queues.put(QueueRow(pool=pool, queue=queue))
        rows.queues.change((pool, queue)).changed = True
    await rows.queues.fetch_where(session, "changed")
    waiting = [row for row in rows.queues.present() if row.changed]
    # A clock that went back (another replica's) announces at once rather than never.
    due = [row for row in waiting if not 0 <= now_ms - row.announced_ms < ANNOUNCE_EVERY_MS]
    for row in sorted(due, key=lambda row: (row.pool, row.queue)):
        queue_row = rows.queues.change((row.pool, row.queue))
        queue_row.changed = False
        queue_row.announced_ms = now_ms
        body = {"queue": queue_body(row, await _count(session, row.pool, row.queue))}
        tell(rows, "queue.changed", body, pool=row.pool, agent_id=None, at_ms=now_ms)
    await rows.queues.write(session)
    later = [row.announced_ms + ANNOUNCE_EVERY_MS - now_ms for row in waiting if row.changed]
    return min(later) if later else None


async def _count(session: PlainSession, pool: str, queue: str) -> QueueCounts:
    counts = QueueCounts()
    for state, number, oldest_ms in await session.fetch(
        _COUNT, clean_text(pool, ID_CHARS_MAX), clean_text(queue, ID_CHARS_MAX)
    ):
        counts.add(state, number, oldest_ms)
    return counts


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
            columns.state.in_(OPEN_STATES),
        )
        .group_by(columns.pool, columns.queue, columns.state)
    )
    for pool, queue, state, number, oldest_ms in found:
        counts[pool, queue].add(state, number, oldest_ms)
    return counts


def queue_body(queue: QueueRow, counts: QueueCounts) -> dict[str, Any]:
    """A queue's numbers as frames show them, and whether it is let run empty."""
    return {
        **drain_body(queue),
        "waiting": counts.waiting,
        "offered": counts.offered,
        "active": counts.active,
        "scheduled": counts.scheduled,
        "oldest_received_at": time_or_none(counts.oldest_received_ms),
    }
