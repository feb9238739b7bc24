"""`GET /v1/public/{pool}`: what customers may know of a pool, for a firm's web site: open now, next opening, channels,
expected wait.

From the configuration, the time and what the agent API said a few seconds ago, so that it costs next to nothing and needs no token. It must
not tell of agents or contacts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

from libs.common.clock import Clock
from libs.common.configuration.models import Configuration
from libs.common.configuration.opening import OpenState, open_state, openings_of, pool_calendar
from libs.common.http.problem import ProblemError
from services.ingest.expected_waits import AskWait

# Browsers and proxies may keep the answer this long, or until it changes.
_KEPT_MAX_S: Final = 60


class PublicStatus(BaseModel):
    """`closes_at` while open, `opens_at` while closed; null where that is not within 60 days. A pool without hours is always open.

    `expected_wait_ms`: how long who writes now will probably wait, the longest of the pool's queues; null where nobody knows.
    """

    pool: str
    open: bool
    opens_at: datetime | None
    closes_at: datetime | None
    timezone: str
    channels: list[str]
    expected_wait_ms: int | None


def public_router(configuration: Configuration, clock: Clock, ask_wait: AskWait) -> APIRouter:
    """The route. Any page may ask."""
    router = APIRouter(tags=["public"])
    channels = {
        pool: sorted({account.channel.value for account in configuration.accounts.values() if account.pool == pool})
        for pool in configuration.pools
    }

    @router.get("/v1/public/{pool}", summary="Whether a pool is open, and how to reach it")
    async def read_public_status(pool: str, response: Response) -> PublicStatus:
        if pool not in configuration.pools:
            raise ProblemError(404, "pool-unknown", "Unknown pool", "No pool has this name.")
        now_ms = clock.now_ms()
        calendar_id = pool_calendar(configuration, pool)
        state = OpenState(is_open=True, turns_ms=None)
        timezone = configuration.pools[pool].timezone
        if calendar_id is not None:
            opening = openings_of(configuration, pool)[calendar_id]
            state, timezone = open_state(opening, now_ms), opening.timezone
        left_s = _KEPT_MAX_S if state.turns_ms is None else min(_KEPT_MAX_S, (state.turns_ms - now_ms) // 1000)
        response.headers["Cache-Control"] = f"public, max-age={left_s}"
        response.headers["Access-Control-Allow-Origin"] = "*"
        turns_at = None if state.turns_ms is None else datetime.fromtimestamp(state.turns_ms / 1000, UTC)
        return PublicStatus(
            pool=pool,
            open=state.is_open,
            opens_at=None if state.is_open else turns_at,
            closes_at=turns_at if state.is_open else None,
            timezone=timezone,
            channels=channels[pool],
            expected_wait_ms=await ask_wait(pool),
        )

    return router
