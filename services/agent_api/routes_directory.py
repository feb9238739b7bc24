"""What every agent may know of the pool, to pass contacts on and to take waiting ones: its queues and the colleagues."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from libs.common.clock import rfc3339
from services.agent_api.access import AnyViewer, ServiceParts
from services.agent_api.models import Page
from services.agent_api.models_numbers import Colleague, Destination
from services.agent_api.paging import LIMIT_DEFAULT, Cursor, Limit, decode_cursor, page
from services.agent_api.problems import PROBLEMS
from services.agent_api.store.rows import AgentRow, QueueRow
from services.agent_api.store.statistics import list_agents, list_queues
from services.agent_api.view_queues import count_contacts

router = APIRouter(prefix="/v1", tags=["work"], responses=PROBLEMS)


@router.get("/colleagues", response_model=Page[Colleague], summary="Who is in the pool, and who is there")
async def get_colleagues(
    parts: ServiceParts, viewer: AnyViewer, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> dict[str, Any]:
    """The agents of the caller's pool, the caller among them, in the order of their ids."""
    after = decode_cursor(cursor, (str,))
    async with parts.reading() as connection:
        rows = await list_agents(connection, viewer.pools, after=None if after is None else after[0], limit=limit)
    return page(rows, limit, _show_colleague, lambda row: (row.agent_id,))


@router.get("/destinations", response_model=Page[Destination], summary="The queues that contacts can be passed on to")
async def get_destinations(
    parts: ServiceParts, viewer: AnyViewer, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> dict[str, Any]:
    """The queues of the caller's pool with how many contacts wait there; these are listed by `GET /v1/contacts` with `order=due`."""
    after = decode_cursor(cursor, (str, str))
    async with parts.reading() as connection:
        queues = await list_queues(connection, viewer.pools)
        counts = await count_contacts(connection, {row.pool for row in queues}, {row.queue for row in queues})

    def show(row: QueueRow) -> dict[str, Any]:
        return {
            "pool": row.pool,
            "id": row.queue,
            "pull": row.pull,
            "waiting": counts[row.pool, row.queue].waiting,
        }

    left = [row for row in queues if after is None or (row.pool, row.queue) > (after[0], after[1])]
    return page(left, limit, show, lambda row: (row.pool, row.queue))


def _show_colleague(row: AgentRow) -> dict[str, Any]:
    return {
        "id": row.agent_id,
        "name": row.name,
        "pool": row.pool,
        "role": row.role,
        "presence": row.presence,
        "since": rfc3339(row.presence_ms),
        "skills": row.skills,
    }
