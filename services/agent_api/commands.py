"""From a request to a command on the log and back: the idempotency row, the append, the wait for the outcome.

A command's id follows from its caller and the `Idempotency-Key`. The row is written before the append, so a retry finds it whatever
happened in between: it appends the same command again, which has one effect, or gets the answer that was given. Called by routes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
import sqlalchemy as sa
from fastapi import Header
from pydantic import BaseModel
from starlette.responses import Response

from libs.common.events.codec import encode_record
from libs.common.http.problem import ProblemError
from libs.common.ids import command_id as derive_command_id
from libs.common.ids import new_id
from libs.common.logging import current_correlation_id
from services.agent_api.access import Viewer
from services.agent_api.parts import Parts
from services.agent_api.store import tables
from services.agent_api.store.rows import CommandRow

SOURCE: Final = "centralino/agent-api"

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key with the same request has one effect and one answer. Without one every request is new.",
    ),
]

# Not found and refused are told apart by HTTP's own words; everything else that the router refuses is a conflict with how things stand.
STATUS_OF_REASON: Final = {
    "contact-unknown": 404,
    "offer-unknown": 404,
    "agent-unknown": 404,
    "queue-unknown": 404,
    "pool-unknown": 404,
    "presence-unknown": 422,
    "handle-missing": 422,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """What a command puts on the log."""

    stream: str
    key: str
    event: msgspec.Struct
    subject: str


def digest_of(kind: str, target: str, body: BaseModel | None) -> str:
    """What was asked, shortened: equal for equal requests."""
    content = {} if body is None else body.model_dump(mode="json")
    return hashlib.sha256(msgspec.json.encode([kind, target, content], order="deterministic")).hexdigest()


async def carry_out(
    parts: Parts,
    viewer: Viewer,
    key: str | None,
    kind: str,
    target: str,
    body: BaseModel | None,
    make: Callable[[str, int], Append],
) -> CommandRow:
    """Carry a command out and give its row: done, refused, or pending when the router has not answered in time.

    `make(command_id, asked_ms)` gives what to append, or raises the ProblemError that is the command's outcome.
    Raises ProblemError 422 `idempotency-key-reused`, LogUnavailableError, StoreUnavailableError.
    """
    started_ms = parts.clock.now_ms()
    principal = f"agent:{viewer.id}"
    command_id = derive_command_id(principal, key or new_id("key"))
    digest = digest_of(kind, target, body)
    row = await parts.command_book.remember(
        CommandRow(command_id=command_id, principal=principal, kind=kind, digest=digest, asked_ms=started_ms)
    )
    if row.digest not in (None, digest):
        raise ProblemError(
            422,
            "idempotency-key-reused",
            "Idempotency key reused",
            "This Idempotency-Key was used for another request.",
        )
    if row.state == "pending":
        try:
            append = make(command_id, row.asked_ms)
        except ProblemError as problem:
            row = await _refuse(parts, row, problem)
        else:
            row = await _append_and_wait(parts, row, append)
    parts.metrics.commands.labels(kind, row.reason or row.state).inc()
    parts.metrics.command_seconds.labels(kind).observe((parts.clock.now_ms() - started_ms) / 1000)
    return row


async def _refuse(parts: Parts, row: CommandRow, problem: ProblemError) -> CommandRow:
    """Write down what was refused without asking the router, so that a retry is told the same."""
    columns = tables.commands.c
    decision = {
        "state": "refused",
        "reason": problem.type,
        "detail": problem.detail,
        "decided_ms": parts.clock.now_ms(),
    }
    async with parts.writing() as connection:
        # An earlier try may have got through after all: then its outcome counts.
        await connection.execute(
            sa.update(tables.commands)
            .where(columns.command_id == row.command_id, columns.state == "pending")
            .values(decision)
        )
        stored = (
            await connection.execute(sa.select(tables.commands).where(columns.command_id == row.command_id))
        ).one()
    return CommandRow(**stored._mapping)


async def _append_and_wait(parts: Parts, row: CommandRow, append: Append) -> CommandRow:
    record = encode_record(
        append.event,
        key=append.key,
        event_id=row.command_id,
        source=SOURCE,
        time_ms=row.asked_ms,
        correlation_id=current_correlation_id() or row.command_id,
        subject=append.subject,
    )
    with parts.outcomes.expect(row.command_id) as outcome:
        await parts.publisher.append(append.stream, append.key, record)
        try:
            async with asyncio.timeout(parts.settings.command_wait_ms / 1000):
                return await outcome
        except TimeoutError:
            return row


async def find_command(parts: Parts, viewer: Viewer, command_id: str) -> CommandRow:
    """One of the viewer's own commands. Raises ProblemError 404."""
    async with parts.reading() as connection:
        found = (
            await connection.execute(sa.select(tables.commands).where(tables.commands.c.command_id == command_id))
        ).first()
    if found is None or found.principal != f"agent:{viewer.id}":
        raise ProblemError(404, "command-unknown", "Unknown command")
    return CommandRow(**found._mapping)


def command_body(row: CommandRow) -> dict[str, Any]:
    """A command and what became of it."""
    return {
        "id": row.command_id,
        "kind": row.kind,
        "state": row.state,
        "reason": row.reason,
        "detail": row.detail,
        "answer": row.answer,
    }


def answer_of(row: CommandRow, status: int = 200) -> Response:
    """The answer to the request that gave the command. Raises ProblemError for a refused one."""
    if row.state == "refused":
        reason = row.reason or "refused"
        title = reason.replace("-", " ").capitalize()
        raise ProblemError(STATUS_OF_REASON.get(reason, 409), reason, title, row.detail)
    if row.state == "pending":
        location = f"/v1/commands/{row.command_id}"
        return Response(
            msgspec.json.encode({"id": row.command_id, "kind": row.kind, "state": "pending", "url": location}),
            status_code=202,
            headers={"Location": location, "Retry-After": "1"},
            media_type="application/json",
        )
    return Response(msgspec.json.encode(row.answer), status_code=status, media_type="application/json")
