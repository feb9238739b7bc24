"""The agent API as tests need it: the whole service on a real server, a log, a scripted router, clients for HTTP and WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect

from libs.common.clock import Clock, SystemClock
from libs.common.configuration.models import Agent, Configuration, Pool, Queue, Rule
from libs.common.events.routing import PoolConfigured
from libs.common.http.auth import Principal, Role
from libs.common.http.server import Served, serve_app
from libs.common.log.memory import MemoryLog
from libs.common.log.port import EventLog
from libs.common.testing.builders import a_queue, an_agent
from services.agent_api.compose import AgentApi, compose
from services.agent_api.settings import AgentApiSettings
from tests.support.asyncapi import check_frame
from tests.support.scripted_router import ScriptedRouter, follow
from tests.support.waiting import eventually

SECRET = "a secret of the tests, and long enough"
FRAME_S = 20


def a_configuration() -> Configuration:
    """Two pools with an agent each and one with a supervisor."""
    return Configuration(
        pools={"care": Pool(), "sales": Pool()},
        queues={
            "orders": Queue(pool="care", target_ms=60_000),
            "deals": Queue(pool="sales", target_ms=60_000),
        },
        rules=(Rule(queue="orders"),),
        agents={
            "anna": Agent(name="Anna Bianchi", pool="care", capacity={"email": 2}, skills={"orders": 4}),
            "bruno": Agent(name="Bruno Conti", pool="care"),
            "sara": Agent(name="Sara Moretti", pool="care", role="supervisor"),
            "dario": Agent(name="Dario Riva", pool="sales"),
            "ada": Agent(name="Ada Neri", pool="sales", role="admin"),
        },
    )


def a_pool_configured(pool: str = "care", **fields: Any) -> PoolConfigured:
    """The fact that follows the configuration of a pool."""
    configuration = a_configuration()
    plain: dict[str, Any] = {
        "pool": pool,
        "at_ms": SystemClock().now_ms(),
        "version": "v1",
        "queues": tuple(a_queue(name) for name, queue in configuration.queues.items() if queue.pool == pool),
        "agents": tuple(
            an_agent(name, name=agent.name, role=agent.role, capacity=agent.capacity, skills=agent.skills)
            for name, agent in configuration.agents.items()
            if agent.pool == pool
        ),
    }
    return PoolConfigured(**{**plain, **fields})


def settings_for(folder: Path, store: str = "", **changes: Any) -> AgentApiSettings:
    """Settings that no environment has a say in."""
    plain: dict[str, Any] = {"data": folder, "log": "memory:", "store": store, "secret": SecretStr(SECRET)}
    return AgentApiSettings(**{**plain, **changes})


@dataclass
class Client:
    """One agent's HTTP client and WebSockets."""

    http: httpx.AsyncClient
    url: str
    token: str

    async def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a 200."""
        answer = await self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        """Any answer."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.http.post(path, json=body, headers=headers)

    async def refused(self, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, str]:
        """The status and the short word of the problem that a POST is answered with."""
        return problem_of(await self.post(path, body, key=key))

    async def put(self, path: str, body: Any) -> httpx.Response:
        """Any answer."""
        return await self.http.put(path, json=body)

    @asynccontextmanager
    async def stream(self, after: str | None = None) -> AsyncIterator[ClientConnection]:
        """A stream with a ticket, as browsers open it."""
        answer = await self.post("/v1/stream/tickets")
        assert answer.status_code == 201, answer.text
        ticket = answer.json()["ticket"]
        query = f"?ticket={ticket}" + ("" if after is None else f"&after={after}")
        async with connect(f"{self.url.replace('http', 'ws', 1)}/v1/stream{query}", proxy=None) as socket:
            yield socket


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """The status and the short word of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert answer.headers["x-correlation-id"]
    return answer.status_code, problem["type"].rpartition(":")[2]


async def next_frame(socket: ClientConnection, *types: str) -> dict[str, Any]:
    """The next frame, of these types where any are named; others are passed over. Every frame is held against its description."""
    async with asyncio.timeout(FRAME_S):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv())
            check_frame(frame)
            if not types or frame["type"] in types:
                return frame


@dataclass
class Api:
    """A running agent API."""

    service: AgentApi
    served: Served
    router: ScriptedRouter
    log: EventLog
    clients: AsyncExitStack

    async def client(self, agent: str = "anna", role: Role = Role.AGENT) -> Client:
        """A client with this agent's token."""
        principal = Principal(kind="agent", id=agent, role=role)
        token, _ = self.service.parts.tokens.mint(principal, 3_600_000)
        http = await self.clients.enter_async_context(
            httpx.AsyncClient(
                base_url=self.served.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=20
            )
        )
        return Client(http, self.served.url, token)

    async def integration(self, name: str = "site") -> Client:
        """A client with the token of an integration."""
        token, _ = self.service.parts.tokens.mint(Principal(kind="integration", id=name, role=Role.AGENT), 3_600_000)
        http = await self.clients.enter_async_context(
            httpx.AsyncClient(
                base_url=self.served.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=20
            )
        )
        return Client(http, self.served.url, token)

    async def caught_up(self) -> None:
        """Wait until everything on the log is in the view."""

        async def level() -> bool:
            assert self.service.parts.health.ready, str(self.service.parts.health.check())
            return await self.service.tailer.measure_lag() == 0

        await eventually(level)

    async def active_contact(self, number: int = 1, agent: str = "anna", **message: Any) -> str:
        """A contact that the agent has accepted."""
        contact_id = await self.router.receive(number, **message)
        await self.caught_up()
        offer_id = await self.router.offer(contact_id, agent)
        await self.caught_up()
        answer = await (await self.client(agent)).post(f"/v1/offers/{offer_id}/accept")
        assert answer.status_code == 200, answer.text
        return contact_id


@asynccontextmanager
async def running_service(service: AgentApi) -> AsyncIterator[Served]:
    """The service at work on a free port; what ends its work fails the test."""
    async with serve_app(service.app, grace_s=2) as served:
        work = asyncio.create_task(service.run())
        guarded = asyncio.current_task()
        assert guarded is not None
        # A service that ends by itself ends the test at once, not after its deadlines.
        work.add_done_callback(lambda _: None if work.cancelled() else guarded.cancel())
        try:
            yield served
        except asyncio.CancelledError:
            if work.done() and not work.cancelled():
                work.result()
            raise
        finally:
            work.cancel()
            await asyncio.wait([work])
            await service.close()
    if not work.cancelled():
        work.result()


@asynccontextmanager
async def running_api(
    settings: AgentApiSettings,
    *,
    log: EventLog | None = None,
    clock: Clock | None = None,
    router: ScriptedRouter | None = None,
) -> AsyncIterator[Api]:
    """An agent API with a configured pool. With `router`, a further replica beside the one that this router belongs to."""
    clock = clock or SystemClock()
    log = log or MemoryLog(partitions=2, clock=clock)
    own_router = router is None
    router = router or ScriptedRouter(log, clock)
    service = compose(settings, a_configuration(), log=log, clock=clock)
    async with AsyncExitStack() as stack:
        if own_router:
            await log.connect()
            task = await follow(router)

            async def end() -> None:
                task.cancel()
                await asyncio.wait([task])

            stack.push_async_callback(end)
            await router.tell(a_pool_configured())
        served = await stack.enter_async_context(running_service(service))
        clients = await stack.enter_async_context(AsyncExitStack())
        api = Api(service, served, router, log, clients)
        await api.caught_up()
        yield api
