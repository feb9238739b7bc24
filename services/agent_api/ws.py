"""The stream: `WS /v1/stream?ticket=...&after=CURSOR`. A snapshot, then what was missed, then every frame as it comes.

Browsers see a WebSocket's close code only after the handshake, so a bad ticket is accepted and closed at once with 4401. Every other end
has its code too: 4403 not an agent here, 4008 read too slowly, 4009 begin anew, 1013 try again later. A stream that ends for any reason
is opened again with `after` set to the last cursor seen. What a client sends is read and ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Annotated, Any, Final

import sqlalchemy as sa
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.errors import OutageError
from libs.common.http.auth import Principal, Role, check_allowed, principal_of
from libs.common.http.problem import ProblemError
from services.agent_api.access import Viewer, find_viewer
from services.agent_api.hub import CLOSE_BEGIN_AGAIN, CLOSE_TOO_SLOW, Subscription
from services.agent_api.parts import Parts, parts_of
from services.agent_api.routes_work import digest_ticket
from services.agent_api.store import tables
from services.agent_api.store.queries import list_missed_frames, read_view_state
from services.agent_api.store.rows import FrameRow
from services.agent_api.view_frames import cursor_of, frame_text
from services.agent_api.work import work_body

CLOSE_UNAUTHORIZED: Final = 4401
CLOSE_FORBIDDEN: Final = 4403
CLOSE_TRY_LATER: Final = 1013
# A client that missed more than this begins anew from the snapshot.
RESUMED_FRAMES_MAX: Final = 1_000
# A peer that does not read does not take a close frame either; it is cut off after this time.
CLOSE_WAIT_S: Final = 1.0

router = APIRouter(prefix="/v1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a stream begins: the first frame, what was missed, and the number after which live frames follow."""

    hello: str
    missed: list[FrameRow]
    seq: int


@router.websocket("/stream")
async def stream(
    websocket: WebSocket,
    ticket: Annotated[str | None, Query()] = None,
    after: Annotated[str | None, Query()] = None,
) -> None:
    """See the module."""
    parts = parts_of(websocket)
    await websocket.accept()
    try:
        viewer = await _identify(parts, websocket, ticket)
        await _serve(parts, websocket, viewer, after)
    except ProblemError as problem:
        code = {401: CLOSE_UNAUTHORIZED, 403: CLOSE_FORBIDDEN}.get(problem.status, CLOSE_TRY_LATER)
        await _close(websocket, code, problem.type)
    except OutageError:
        await _close(websocket, CLOSE_TRY_LATER, "unavailable")
    except WebSocketDisconnect:
        # The client is gone, which is how most streams end.
        return


async def _identify(parts: Parts, websocket: WebSocket, ticket: str | None) -> Viewer:
    if not parts.started or parts.hub.seen_seq is None:
        raise ProblemError(503, "unavailable", "Unavailable")
    if ticket is None:
        principal = principal_of(websocket)
        check_allowed(principal, kind="agent")
    else:
        principal = await redeem_ticket(parts, ticket)
    async with parts.looking_up() as session:
        return await find_viewer(parts, session, principal)


async def redeem_ticket(parts: Parts, ticket: str) -> Principal:
    """Who the ticket is for. It is gone from then on, on every replica. Raises ProblemError 401."""
    columns = tables.stream_tickets.c
    async with parts.writing() as connection:
        row = (
            await connection.execute(
                sa.delete(tables.stream_tickets)
                .where(columns.digest == digest_ticket(ticket), columns.expires_ms > parts.clock.now_ms())
                .returning(columns.agent_id, columns.role)
            )
        ).first()
    if row is None:
        raise ProblemError(401, "ticket-invalid", "Invalid ticket", "The ticket is unknown, used or too old.")
    return Principal(kind="agent", id=row.agent_id, role=Role(row.role))


async def _serve(parts: Parts, websocket: WebSocket, viewer: Viewer, after: str | None) -> None:
    """Send until one side ends the stream."""
    given_up: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    subscription = Subscription(
        viewer.id,
        viewer.pools if viewer.supervises else frozenset(),
        lambda code: None if given_up.done() else given_up.set_result(code),
        own_pool=viewer.pool,
    )
    # Before the snapshot: what happens from now on is queued, what happened before is in it.
    parts.hub.add(subscription)
    parts.metrics.websocket_connections.inc()
    tasks: list[asyncio.Future[Any]] = [given_up]
    try:
        async with parts.reading() as connection:
            opening = await open_stream(parts, connection, viewer, subscription.pools, after)
        subscription.begin_after(opening.seq)
        sender = asyncio.create_task(_send(parts, websocket, subscription, opening))
        receiver = asyncio.create_task(_receive(websocket))
        tasks += [sender, receiver]
        # An agent who was removed, or whose token is over, must not go on hearing for ever.
        life_s = parts.settings.stream_ms / 1000
        done, _ = await asyncio.wait(tasks, timeout=life_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            subscription.close(CLOSE_BEGIN_AGAIN)
        if given_up.done():
            if given_up.result() == CLOSE_TOO_SLOW:
                parts.metrics.websocket_slow_closed.inc()
            sender.cancel()
            await _close(websocket, given_up.result(), "begin again from your cursor")
        for ended in (sender, receiver):
            if ended.done() and not ended.cancelled():
                ended.result()
    finally:
        parts.hub.remove(subscription)
        parts.metrics.websocket_connections.dec()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def open_stream(
    parts: Parts, connection: AsyncConnection, viewer: Viewer, pools: frozenset[str] | None, after: str | None
) -> Opening:
    """The beginning of a stream, out of one snapshot. `pools` are those that the viewer supervises (None: all)."""
    epoch, frame_seq, pruned_seq = await read_view_state(connection)
    work = await work_body(parts, connection, viewer)
    after_seq = _sequence_of(after, epoch)
    missed: list[FrameRow] = []
    resumed = after_seq is not None and pruned_seq <= after_seq <= frame_seq
    if after_seq is not None and resumed:
        missed = await list_missed_frames(
            connection, viewer.id, pools, after_seq=after_seq, until_seq=frame_seq, limit=RESUMED_FRAMES_MAX
        )
        if len(missed) > RESUMED_FRAMES_MAX:
            missed, resumed = [], False
    # A client that goes away in the middle of what it missed must come back for the rest: the cursor does not run ahead.
    cursor = cursor_of(epoch, after_seq if after_seq is not None and resumed else frame_seq)
    hello = frame_text("hello", cursor, parts.clock.now_ms(), {"work": work, "resumed": resumed})
    return Opening(hello=hello, missed=missed, seq=frame_seq)


def _sequence_of(cursor: str | None, epoch: str) -> int | None:
    """The frame's number in a cursor; None where it is not one of this store."""
    prefix, _, number = (cursor or "").rpartition("-")
    if prefix != epoch or not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    return int(number)


async def _send(parts: Parts, websocket: WebSocket, subscription: Subscription, opening: Opening) -> None:
    await websocket.send_text(opening.hello)
    for frame in opening.missed:
        await websocket.send_text(frame.body)
    counter = parts.metrics.websocket_frames
    while True:
        frame_type, text = await subscription.next_frame()
        await websocket.send({"type": "websocket.send", "text": text})
        counter.labels(frame_type).inc()


async def _receive(websocket: WebSocket) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    # A peer that is gone, or takes nothing any more, cannot be told.
    with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
        async with asyncio.timeout(CLOSE_WAIT_S):
            await websocket.close(code, reason)
