"""The follow-up service's HTTP edge: what mails a contact got, for integrations; and the operations routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import rfc3339
from libs.common.http.auth import Principal, TokenAuthority, require
from libs.common.http.correlation import install_edge
from libs.common.http.health import Health, health_router
from libs.common.metrics import Metrics
from libs.common.outbox import OutboxState
from libs.common.store import reading, store_errors
from services.followup.store.tables import mails, outbox

_STATES = {
    OutboxState.DUE: "scheduled",
    OutboxState.LEASED: "scheduled",
    OutboxState.DELIVERING: "scheduled",
    OutboxState.SENT: "sent",
    OutboxState.FAILED: "failed",
    OutboxState.SUPPRESSED: "suppressed",
}


class FollowUpOut(BaseModel):
    """A mail about a contact: `kind` acknowledgement or follow-up; `state` scheduled, sent, failed or suppressed.

    `reason`: why it failed or was suppressed. `email_message_id`: of a mail that was sent.
    """

    id: str
    contact_id: str
    kind: str
    state: str
    planned_at: str
    due_at: str | None
    changed_at: str | None
    reason: str | None
    email_message_id: str | None


class FollowUpList(BaseModel):
    """The mails of one contact; there are few, so there is never another page."""

    items: list[FollowUpOut]
    next_cursor: None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What the app is made of."""

    engine: AsyncEngine
    tokens: TokenAuthority
    health: Health
    metrics: Metrics


def create_app(deps: Deps) -> FastAPI:
    """The app. Nothing is reached before a request."""
    app = FastAPI(title="Centralino follow-up", version="1", docs_url="/docs", redoc_url=None)
    app.state.tokens = deps.tokens
    install_edge(app, service="followup", metrics=deps.metrics)
    app.include_router(health_router(deps.health, deps.metrics.registry))
    app.include_router(_followups_router(deps.engine))
    return app


def _followups_router(engine: AsyncEngine) -> APIRouter:
    router = APIRouter(tags=["follow-ups"])

    @router.get("/v1/followups", summary="The mails about a contact", response_model=FollowUpList)
    async def list_followups(
        contact: Annotated[str, Query(min_length=1, max_length=100)],
        _principal: Annotated[Principal, Depends(require(kind="integration"))],
    ) -> FollowUpList:
        query = (
            sa.select(mails, outbox.c.state, outbox.c.detail, outbox.c.changed_ms)
            .join(outbox, outbox.c.effect_id == mails.c.effect_id, isouter=True)
            .where(mails.c.contact_id == contact)
            .order_by(mails.c.planned_ms, mails.c.effect_id)
        )
        with store_errors():
            async with reading(engine) as connection:
                rows = (await connection.execute(query)).mappings().all()
        return FollowUpList(items=[_present(row) for row in rows])

    return router


def _present(row: Any) -> FollowUpOut:
    state = OutboxState(row["state"]) if row["state"] else OutboxState.DUE
    detail = row["detail"] or None
    return FollowUpOut(
        id=row["effect_id"],
        contact_id=row["contact_id"],
        kind=row["kind"],
        state=_STATES[state],
        planned_at=rfc3339(row["planned_ms"]),
        due_at=None if row["due_ms"] is None else rfc3339(row["due_ms"]),
        changed_at=None if row["changed_ms"] is None else rfc3339(row["changed_ms"]),
        reason=detail if state in (OutboxState.FAILED, OutboxState.SUPPRESSED) else None,
        email_message_id=detail if state is OutboxState.SENT else None,
    )
