"""A simulated agent does a day's work against a stand-in for the agent API: accept, answer, resolve, and come back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from starlette.responses import JSONResponse, Response

from libs.common.clock import VirtualClock
from libs.common.http.server import serve_app
from services.demo.agents import SimulatedAgent
from tests.support.waiting import eventually

OFFER = {"id": "off_1", "contact": {"id": "con_1"}, "expires_at": "", "reason": {}}
CONTACT = {
    "id": "con_1",
    "state": "active",
    "agent": "bruno",
    "queue": "orders",
    "language": "it",
    "subject": "Dov'è il pacco?",
    "customer": {"name": "Chiara Gallo"},
}


class AgentApi:
    """Plays the agent API's part of the conversation and remembers what it was asked."""

    def __init__(self, work: dict[str, Any]) -> None:
        self.work = work
        self.calls: list[tuple[str, str, Any]] = []
        self.keys: list[str] = []
        self.tokens = 0
        self.fail_with: list[int] = []
        self.sockets: list[WebSocket] = []
        self.app = FastAPI()
        self.app.add_api_route("/readyz", self.ready)
        self.app.add_api_route("/v1/session", self.sign_in, methods=["POST"])
        self.app.add_api_websocket_route("/v1/stream", self.stream)
        self.app.add_api_route("/{path:path}", self.call, methods=["POST", "PUT"])

    async def ready(self) -> Response:
        return JSONResponse({"ready": True})

    async def sign_in(self, request: Request) -> Response:
        body = await request.json()
        if body != {"agent_id": "bruno", "password": "pw"}:
            return JSONResponse({}, 401)
        self.tokens += 1
        return JSONResponse({"token": f"token-{self.tokens}", "expires_at": ""})

    async def call(self, path: str, request: Request) -> Response:
        self.keys.append(request.headers["idempotency-key"])
        if request.headers["authorization"] != f"Bearer token-{self.tokens}":
            return JSONResponse({}, 401)
        if self.fail_with:
            return JSONResponse({}, self.fail_with.pop(0))
        body = await request.body()
        self.calls.append((request.method, path, json.loads(body) if body else None))
        return JSONResponse({})

    async def stream(self, socket: WebSocket) -> None:
        assert socket.headers["authorization"] == f"Bearer token-{self.tokens}"
        await socket.accept()
        await socket.send_json({"type": "hello", "cursor": "c-0", "at": "", "work": self.work})
        self.sockets.append(socket)
        try:
            await socket.receive()
        except WebSocketDisconnect:
            return

    def asked(self, path: str) -> bool:
        return any(called == path for _, called, _ in self.calls)


@asynccontextmanager
async def a_working_day(api: AgentApi) -> AsyncIterator[tuple[VirtualClock, SimulatedAgent]]:
    """The agent at work, with a clock that the test moves."""
    clock = VirtualClock()
    async with serve_app(api.app) as served, httpx.AsyncClient(trust_env=False) as client:
        agent = SimulatedAgent("bruno", "pw", served.url, clock, 1, client)
        work = asyncio.create_task(agent.run())
        try:
            yield clock, agent
        finally:
            work.cancel()
            await asyncio.wait([work])


def empty_work(**parts: Any) -> dict[str, Any]:
    return {"offers": [], "contacts": [], **parts}


async def until(clock: VirtualClock, api: AgentApi, path: str) -> None:
    """Let the time go on until the agent has called this."""

    def called() -> bool:
        clock.advance_ms(500)
        return api.asked(path)

    await eventually(called)


async def test_an_offer_in_the_first_frame_is_accepted() -> None:
    api = AgentApi(empty_work(offers=[OFFER]))

    async with a_working_day(api) as (clock, _):
        await until(clock, api, "v1/offers/off_1/accept")

    assert api.calls[0] == ("PUT", "v1/me/presence", {"status": "available"})


async def test_an_assigned_contact_is_answered_and_resolved() -> None:
    api = AgentApi(empty_work())

    async with a_working_day(api) as (clock, agent):
        await eventually(lambda: api.sockets)
        await api.sockets[0].send_json({"type": "contact.assigned", "cursor": "c-1", "at": "", "contact": CONTACT})
        await until(clock, api, "v1/contacts/con_1/resolve")
        await eventually(lambda: agent.resolved)

    (reply,) = [body for _, path, body in api.calls if path == "v1/contacts/con_1/messages"]
    (resolve,) = [body for _, path, body in api.calls if path == "v1/contacts/con_1/resolve"]
    assert reply["text"].startswith("Buongiorno Chiara,")
    assert (resolve["follow_up"], resolve["summary"]) == (True, "Dov'è il pacco?")


async def test_another_agents_contact_is_left_alone() -> None:
    api = AgentApi(empty_work(contacts=[CONTACT | {"agent": "anna"}, CONTACT | {"id": "con_2"}]))

    async with a_working_day(api) as (clock, _):
        await until(clock, api, "v1/contacts/con_2/resolve")

    assert not api.asked("v1/contacts/con_1/messages")


async def test_a_command_that_got_no_answer_keeps_its_key() -> None:
    api = AgentApi(empty_work(offers=[OFFER]))

    async with a_working_day(api) as (clock, _):
        await eventually(lambda: api.sockets)
        api.keys.clear()
        api.fail_with = [503, 429]
        await until(clock, api, "v1/offers/off_1/accept")

    assert len(api.keys) == 3
    assert len(set(api.keys)) == 1


async def test_what_is_refused_is_not_tried_again() -> None:
    api = AgentApi(empty_work(offers=[OFFER]))

    async with a_working_day(api) as (clock, _):
        await eventually(lambda: api.sockets)
        api.fail_with = [409]
        api.keys.clear()
        await until_keys(clock, api, 1)
        await api.sockets[0].send_json({"type": "contact.assigned", "cursor": "c-1", "at": "", "contact": CONTACT})
        await until(clock, api, "v1/contacts/con_1/messages")

    assert not api.asked("v1/offers/off_1/accept")


async def until_keys(clock: VirtualClock, api: AgentApi, number: int) -> None:
    def called() -> bool:
        clock.advance_ms(500)
        return len(api.keys) >= number

    await eventually(called)


async def test_a_broken_stream_is_opened_again_and_a_new_token_fetched() -> None:
    api = AgentApi(empty_work())

    async with a_working_day(api) as (clock, _):
        await eventually(lambda: api.sockets)
        await api.sockets[0].close()

        def connected_again() -> bool:
            clock.advance_ms(500)
            return len(api.sockets) == 2

        await eventually(connected_again)

    assert api.tokens == 2
