"""Where contacts stand in their queues, and how long they will probably wait: the router's measured pace, applied to the rows of now.

Called by `routes_queues` and `routes_contacts`. What nobody knows is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.waits import wait_ms
from services.agent_api.store import tables
from services.agent_api.store.rows import AgentRow, ContactRow, QueueRow
from services.agent_api.store.statistics import Load

Loads = Mapping[str, Mapping[str, Load]]


async def find_position(connection: AsyncConnection, contact: ContactRow) -> int | None:
    """The place in its queue of a contact that waits and is not offered to anybody; 1 is next."""
    if contact.state != "queued":
        return None
    columns = tables.contacts.c
    before = sa.or_(
        columns.due_ms < contact.due_ms,
        sa.and_(columns.due_ms == contact.due_ms, columns.received_ms < contact.received_ms),
        sa.and_(
            columns.due_ms == contact.due_ms,
            columns.received_ms == contact.received_ms,
            columns.contact_id < contact.contact_id,
        ),
    )
    query = (
        sa.select(sa.func.count())
        .select_from(tables.contacts)
        .where(columns.pool == contact.pool, columns.queue == contact.queue, columns.state == "queued", before)
    )
    return int((await connection.execute(query)).scalar_one()) + 1


async def find_wait(connection: AsyncConnection, contact: ContactRow, now_ms: int) -> dict[str, Any]:
    """Its place and its expected wait, as a contact shows them."""
    position = await find_position(connection, contact)
    if position is None:
        return {"position": None, "expected_wait_ms": None}
    columns = tables.queues.c
    query = sa.select(columns.step_us, columns.patience_us, columns.opens_ms).where(
        columns.pool == contact.pool, columns.queue == contact.queue
    )
    found = (await connection.execute(query)).first()
    return {
        "position": position,
        "expected_wait_ms": None if found is None else _wait(position, *found, now_ms=now_ms),
    }


def newcomers_wait_ms(
    queue: QueueRow, waiting: int, agents: Sequence[AgentRow], load: Loads, now_ms: int
) -> int | None:
    """How long who comes to the queue now will probably wait, with so many `waiting` there; 0 where somebody is free."""
    is_open = queue.opens_ms is None or queue.opens_ms <= now_ms
    if waiting == 0 and is_open and any(_is_free(agent, queue, load.get(agent.agent_id, {})) for agent in agents):
        return 0
    return _wait(waiting + 1, queue.step_us, queue.patience_us, queue.opens_ms, now_ms=now_ms)


def _wait(
    position: int, step_us: int | None, patience_us: int | None, opens_ms: int | None, *, now_ms: int
) -> int | None:
    if step_us is None:
        return None
    return max(0, (opens_ms or 0) - now_ms) + wait_ms(position, step_us, patience_us)


def _is_free(agent: AgentRow, queue: QueueRow, load: Mapping[str, Load]) -> bool:
    """Whether an agent with the queue's skills is available and has room on any channel."""
    if agent.pool != queue.pool or agent.presence != "available":
        return False
    if any(agent.skills.get(skill, 0) < level for skill, level in queue.skills.items()):
        return False
    at_hand = {channel: of.at_hand for channel, of in load.items() if of.at_hand}
    return not at_hand or any(at_hand.get(channel, 0) < room for channel, room in agent.capacity.items())


async def list_available(connection: AsyncConnection, pools: frozenset[str] | None) -> list[AgentRow]:
    """The agents who are available."""
    columns = tables.agents.c
    query = sa.select(tables.agents).where(columns.active.is_(sa.true()), columns.presence == "available")
    if pools is not None:
        query = query.where(columns.pool.in_(sorted(pools)))
    return [AgentRow(**row._mapping) for row in await connection.execute(query)]
