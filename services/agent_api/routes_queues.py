"""What supervisors see and do: queues, agents, and agents' presence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel
from starlette.responses import Response

from libs.common.clock import rfc3339
from libs.common.events.inputs import DrainQueue
from libs.common.http.problem import ProblemError
from libs.common.log import streams
from services.agent_api.access import ServiceParts, SupervisingViewer, Viewer
from services.agent_api.commands import Append, IdempotencyKey, answer_of, carry_out
from services.agent_api.models import AgentPresence, Page, PresenceRequest
from services.agent_api.models_handling import DrainRequest
from services.agent_api.models_numbers import AgentState, QueueDrain, QueueState
from services.agent_api.paging import LIMIT_DEFAULT, Cursor, Limit, decode_cursor, page
from services.agent_api.parts import Parts
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
from services.agent_api.view_messages import LIFT_DRAIN
from services.agent_api.view_queues import count_contacts, queue_body

router = APIRouter(prefix="/v1", tags=["supervision"], responses=PROBLEMS)

QueueName = Annotated[str, Path(min_length=1, max_length=200)]


@router.get("/queues", response_model=Page[QueueState], summary="How the queues stand")
async def get_queues(
    parts: ServiceParts, viewer: SupervisingViewer, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> dict[str, Any]:
    """Waiting contacts, the oldest wait, the service level of the last hour, and how long who comes now will probably wait. A queue that
    is not configured any more is shown as long as contacts are in it.
    """
    after = decode_cursor(cursor, (str, str))
    now_ms = parts.clock.now_ms()
    async with parts.reading() as connection:
        queues = await list_queues(connection, viewer.pools, with_gone=True)
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
            **queue_body(row, counts[key]),
            "oldest_wait_ms": None if oldest_ms is None else max(0, now_ms - oldest_ms),
            "target_ms": row.target_ms,
            "service_level": None if answered is None else answered.service_level,
            "service_level_window_ms": SERVICE_LEVEL_WINDOW_MS,
            "expected_wait_ms": newcomers_wait_ms(row, counts[key].waiting, agents, load, now_ms)
            if row.active
            else None,
            "abandoned": 0 if answered is None else answered.abandoned,
            "pull": row.pull and row.active,
            "configured": row.active,
        }

    there = [row for row in queues if row.active or (row.pool, row.queue) in counts]
    left = [row for row in there if after is None or (row.pool, row.queue) > (after[0], after[1])]
    return page(left, limit, show, lambda row: (row.pool, row.queue))


@router.post("/queues/{queue}/drain", response_model=QueueDrain, responses=COMMANDED, summary="Let a queue run empty")
async def drain_queue(
    parts: ServiceParts,
    viewer: SupervisingViewer,
    queue: QueueName,
    body: DrainRequest | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """200 with how the queue stands. With `to` its new contacts and those that wait go to that queue, in their old places; without it new
    contacts go to the pool's default queue, and those that wait are worked off. Who has one of its contacts keeps it.
    """
    asked = body or DrainRequest()
    event = partial(DrainQueue, queue=queue, to_queue=asked.to)
    return await _command_queue(parts, viewer, queue, key, "drain-queue", asked, event)


@router.delete(
    "/queues/{queue}/drain", response_model=QueueDrain, responses=COMMANDED, summary="Let it take contacts again"
)
async def lift_drain(
    parts: ServiceParts, viewer: SupervisingViewer, queue: QueueName, key: IdempotencyKey = None
) -> Response:
    """200 with how the queue stands. What went to another queue meanwhile stays there."""
    event = partial(DrainQueue, queue=queue, lift=True)
    return await _command_queue(parts, viewer, queue, key, LIFT_DRAIN, None, event)


async def _command_queue(
    parts: Parts,
    viewer: Viewer,
    queue: str,
    key: str | None,
    kind: str,
    body: BaseModel | None,
    event: Callable[..., DrainQueue],
) -> Response:
    async with parts.reading() as connection:
        queues = await list_queues(connection, viewer.pools)
    pool = next((row.pool for row in queues if row.queue == queue), None)
    if pool is None:
        raise ProblemError(404, "queue-unknown", "Unknown queue", "There is no such queue for you.")

    def make(command_id: str, _asked_ms: int) -> Append:
        command = event(pool=pool, command_id=command_id, agent_id=viewer.id, supervising=True)
        return Append(stream=streams.ROUTING_INPUTS, key=pool, event=command, subject=queue)

    return answer_of(await carry_out(parts, viewer, key, kind, queue, body, make))


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
