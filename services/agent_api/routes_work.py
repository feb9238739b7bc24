"""The agent's own work and presence, stream tickets, and what became of a command."""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Header
from starlette.responses import Response

from libs.common.clock import rfc3339
from libs.common.events.inputs import SetPresence
from libs.common.http.problem import ProblemError
from libs.common.log import streams
from services.agent_api.access import AnyViewer, ServiceParts, Viewer
from services.agent_api.commands import Append, IdempotencyKey, answer_of, carry_out, command_body, find_command
from services.agent_api.models import AgentPresence, Command, PresenceRequest, Ticket, Work
from services.agent_api.parts import Parts
from services.agent_api.problems import COMMANDED, PROBLEMS
from services.agent_api.store import tables
from services.agent_api.work import work_body

router = APIRouter(prefix="/v1", tags=["work"], responses=PROBLEMS)


@router.get("/me/work", response_model=Work, summary="My offers and contacts")
async def get_work(parts: ServiceParts, viewer: AnyViewer) -> dict[str, Any]:
    """A snapshot; a stream that begins after its `cursor` misses nothing."""
    async with parts.reading() as connection:
        return await work_body(parts, connection, viewer)


@router.put("/me/presence", response_model=AgentPresence, responses=COMMANDED, summary="Change my presence")
async def put_my_presence(
    parts: ServiceParts, viewer: AnyViewer, body: PresenceRequest, key: IdempotencyKey = None
) -> Response:
    """Available, busy, break or offline. Going offline is signing out: what is in hand goes back to its place."""
    if viewer.pool is None:
        raise ProblemError(404, "agent-unknown", "Unknown agent", "Only agents of a pool have a presence.")
    return await set_presence(parts, viewer, viewer.id, viewer.pool, body, key)


async def set_presence(
    parts: Parts, viewer: Viewer, target: str, pool: str, body: PresenceRequest, key: str | None
) -> Response:
    """Let the router change the presence of `target`, who is in `pool`."""

    def make(command_id: str, _asked_ms: int) -> Append:
        event = SetPresence(
            pool=pool, command_id=command_id, agent_id=viewer.id, target_agent_id=target, status=body.status
        )
        return Append(stream=streams.ROUTING_INPUTS, key=pool, event=event, subject=target)

    return answer_of(await carry_out(parts, viewer, key, "set-presence", target, body, make))


@router.post("/stream/tickets", response_model=Ticket, status_code=201, summary="A ticket for the stream")
async def create_ticket(
    parts: ServiceParts,
    viewer: AnyViewer,
    _key: Annotated[str | None, Header(alias="Idempotency-Key", description="Taken, and of no effect here.")] = None,
) -> dict[str, str]:
    """For browsers, whose WebSockets carry no headers. Good once and for a short time, on any replica; only its digest is stored."""
    ticket = secrets.token_urlsafe(32)
    now_ms = parts.clock.now_ms()
    expires_ms = now_ms + parts.settings.ticket_ms
    async with parts.writing() as connection:
        await connection.execute(sa.delete(tables.stream_tickets).where(tables.stream_tickets.c.expires_ms < now_ms))
        await connection.execute(
            sa.insert(tables.stream_tickets),
            {
                "digest": digest_ticket(ticket),
                "agent_id": viewer.id,
                "role": viewer.role.value,
                "expires_ms": expires_ms,
            },
        )
    return {"ticket": ticket, "expires_at": rfc3339(expires_ms)}


def digest_ticket(ticket: str) -> str:
    """Under what a ticket is stored."""
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()


@router.get("/commands/{command_id}", response_model=Command, summary="What became of a command")
async def get_command(parts: ServiceParts, viewer: AnyViewer, command_id: str) -> dict[str, Any]:
    """One of the caller's own commands: pending, done with its answer, or refused with its reason."""
    return command_body(await find_command(parts, viewer, command_id))
