"""Signing in, and who one is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header

from libs.common.clock import rfc3339
from libs.common.http.auth import Principal, Role
from libs.common.http.problem import ProblemError
from services.agent_api.access import AnyViewer, ServiceParts, Viewer
from services.agent_api.models import Me, Session, SessionRequest
from services.agent_api.parts import Parts
from services.agent_api.problems import PROBLEMS
from services.agent_api.store.queries import find_agent
from services.agent_api.store.rows import AgentRow

router = APIRouter(prefix="/v1", tags=["session"], responses=PROBLEMS)


@router.post("/session", response_model=Session, summary="Sign in")
async def open_session(
    parts: ServiceParts,
    body: SessionRequest,
    _key: Annotated[str | None, Header(alias="Idempotency-Key", description="Taken, and of no effect here.")] = None,
) -> dict[str, str]:
    """A token for an agent with a password. Each call gives another one; a token is never stored, so none is given twice."""
    matches = await parts.sign_ins.check(body.agent_id, body.password)
    row, role = await _known(parts, body.agent_id)
    if not matches or not row:
        raise ProblemError(401, "sign-in-failed", "Sign-in failed", "The agent or the password is wrong.")
    token, expires_ms = parts.tokens.mint(
        Principal(kind="agent", id=body.agent_id, role=role), parts.settings.session_ms
    )
    return {"token": token, "expires_at": rfc3339(expires_ms)}


async def _known(parts: Parts, agent_id: str) -> tuple[bool, Role]:
    async with parts.reading() as connection:
        row = await find_agent(connection, agent_id)
    if row is not None and row.active:
        return True, Role(row.role)
    configured = parts.configuration.agents.get(agent_id)
    return configured is not None, Role.AGENT if configured is None else Role(configured.role)


@router.get("/me", response_model=Me, summary="Who I am")
async def get_me(parts: ServiceParts, viewer: AnyViewer) -> dict[str, Any]:
    """The agent who asks, with what is configured for the agent."""
    async with parts.reading() as connection:
        agent = agent_or_configured(parts, viewer, await find_agent(connection, viewer.id))
    return {
        "id": viewer.id,
        "name": agent.name,
        "role": viewer.role.value,
        "pool": viewer.pool,
        "presence": agent.presence,
        "capacity": agent.capacity,
        "skills": agent.skills,
    }


def agent_or_configured(parts: Parts, viewer: Viewer, row: AgentRow | None) -> AgentRow:
    """The agent's row, or what it will be once the router has told of the agent."""
    if row is not None:
        return row
    configured = parts.configuration.agents.get(viewer.id)
    return AgentRow(
        agent_id=viewer.id,
        pool=viewer.pool or "",
        name=viewer.name,
        skills={} if configured is None else dict(configured.skills),
        capacity={} if configured is None else dict(configured.capacity),
    )
