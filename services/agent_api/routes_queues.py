"""What supervisors see and do: queues, agents, and agents' presence."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from libs.common.clock import rfc3339
from libs.common.http.problem import ProblemError
from services.agent_api.access import ServiceParts, SupervisingViewer
from services.agent_api.commands import IdempotencyKey
from services.agent_api.models import AgentPresence, Page, PresenceRequest
from services.agent_api.models_numbers import AgentState, QueueState
from services.agent_api.paging import LIMIT_DEFAULT, Cursor, Limit, decode_cursor, page
from services.agent_api.problems import COMMANDED, PROBLEMS
from services.agent_api.routes_work import set_presence
from services.agent_api.store.queries import find_agent
from services.agent_api.store.rows import AgentRow, QueueRow
from services.agent_api.store.statistics import (
    SERVICE_LEVEL_WINDOW_MS,
    count_answers,
    count_load,
    list_agents,
    list_queues,
    units_used,
)
from services.agent_api.store.waits import list_available, newcomers_wait_ms
from services.agent_api.view_queues import count_contacts, queue_body

router = APIRouter(prefix="/v1", tags=["supervision"], responses=PROBLEMS)


@router.get("/queues", response_model=Page[QueueState], summary="How the queues stand")
async def get_queues(
    parts: ServiceParts, viewer: SupervisingViewer, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> dict[str, Any]:
    """Waiting contacts, the oldest wait, the service level of the last hour, and how long who comes now will probably wait."""
    after = decode_cursor(cursor, (str, str))
    now_ms = parts.clock.now_ms()
    async with parts.reading() as connection:
        queues = await list_queues(connection, viewer.pools)
        counts = await count_contacts(connection, {row.pool for row in queues}, {row.queue for row in queues})
        answers = await count_answers(
            connection,
            viewer.pools,
            "queue",
            from_ms=now_ms - SERVICE_LEVEL_WINDOW_MS,
            to_ms=now_ms + 1,
            now_ms=now_ms,
        )
        agents = await list_available(connection, viewer.pools)
        load = await count_load(connection, [agent.agent_id for agent in agents])

    def show(row: QueueRow) -> dict[str, Any]:
        key = (row.pool, row.queue)
        oldest_ms = counts[key].oldest_received_ms
        answered = answers.get(key)
        return {
            **queue_body(row.pool, row.queue, counts[key]),
            "oldest_wait_ms": None if oldest_ms is None else max(0, now_ms - oldest_ms),
            "target_ms": row.target_ms,
            "service_level": None if answered is None else answered.service_level,
            "service_level_window_ms": SERVICE_LEVEL_WINDOW_MS,
            "expected_wait_ms": newcomers_wait_ms(row, counts[key].waiting, agents, load, now_ms),
            "abandoned": 0 if answered is None else answered.abandoned,
            "pull": row.pull,
        }

    left = [row for row in queues if after is None or (row.pool, row.queue) > (after[0], after[1])]
    return page(left, limit, show, lambda row: (row.pool, row.queue))


@router.get("/agents", response_model=Page[AgentState], summary="Agents with presence and load")
async def get_agents(
    parts: ServiceParts, viewer: SupervisingViewer, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> dict[str, Any]:
    """The agents of the caller's pool."""
    after = decode_cursor(cursor, (str,))
    async with parts.reading() as connection:
        rows = await list_agents(connection, viewer.pools, after=None if after is None else after[0], limit=limit)
        load = await count_load(connection, [row.agent_id for row in rows])

    def show(row: AgentRow) -> dict[str, Any]:
        there = load[row.agent_id]
        return {
            "id": row.agent_id,
            "name": row.name,
            "pool": row.pool,
            "role": row.role,
            "presence": row.presence,
            "since": rfc3339(row.presence_ms),
            "skills": row.skills,
            "capacity": row.capacity,
            "load": {channel: here.contacts for channel, here in there.items()},
            "units": None if row.units is None else {"used": units_used(there, row.unit_costs), "capacity": row.units},
        }

    return page(rows, limit, show, lambda row: (row.agent_id,))


@router.put(
    "/agents/{agent_id}/presence",
    response_model=AgentPresence,
    responses=COMMANDED,
    summary="Change an agent's presence",
)
async def put_presence(
    parts: ServiceParts,
    viewer: SupervisingViewer,
    agent_id: str,
    body: PresenceRequest,
    key: IdempotencyKey = None,
) -> Response:
    """As `PUT /v1/me/presence`, for an agent of the caller's pool."""
    async with parts.reading() as connection:
        agent = await find_agent(connection, agent_id)
    if agent is None or not agent.active or not viewer.sees(agent.pool):
        raise ProblemError(404, "agent-unknown", "Unknown agent", "There is no such agent for you.")
    return await set_presence(parts, viewer, agent_id, agent.pool, body, key)
