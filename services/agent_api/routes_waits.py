"""`GET /v1/expected-waits`: how long who comes now will probably wait, for integrations, such as a firm's web site or telephone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from libs.common.http.auth import Principal, require
from services.agent_api.access import ServiceParts
from services.agent_api.problems import PROBLEMS
from services.agent_api.store.statistics import count_load, list_queues
from services.agent_api.store.waits import list_available, newcomers_wait_ms
from services.agent_api.view_queues import count_contacts

router = APIRouter(prefix="/v1", tags=["integrations"], responses=PROBLEMS)

Integration = Annotated[Principal, Depends(require(kind="integration"))]


class ExpectedWait(BaseModel):
    """One queue. `expected_wait_ms`: 0 where somebody is free, null where nobody knows."""

    queue: str
    waiting: int
    expected_wait_ms: int | None


class ExpectedWaits(BaseModel):
    """The queues of a pool; none where there is no such pool."""

    items: list[ExpectedWait]


@router.get("/expected-waits", response_model=ExpectedWaits, summary="How long who comes now will probably wait")
async def get_expected_waits(
    parts: ServiceParts, _caller: Integration, pool: Annotated[str, Query(max_length=200)]
) -> dict[str, Any]:
    """By queue of a pool, as `GET /v1/queues` has it."""
    now_ms = parts.clock.now_ms()
    async with parts.reading() as connection:
        queues = await list_queues(connection, frozenset({pool}))
        counts = await count_contacts(connection, {row.pool for row in queues}, {row.queue for row in queues})
        agents = await list_available(connection, frozenset({pool}))
        load = await count_load(connection, [agent.agent_id for agent in agents])
    return {
        "items": [
            {
                "queue": row.queue,
                "waiting": (waiting := counts[row.pool, row.queue].waiting),
                "expected_wait_ms": newcomers_wait_ms(row, waiting, agents, load, now_ms),
            }
            for row in queues
        ]
    }
