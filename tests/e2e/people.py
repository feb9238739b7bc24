"""Agents and customers that use the public interfaces as real programs do: they try again what did not answer, and say what they saw."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from libs.common.http.auth import Role
from tests.e2e.stack import Stack
from tests.support.waiting import eventually

AWAY = (httpx.TransportError, OSError, TimeoutError, WebSocketException)


class Desk:
    """One agent's desktop. It keeps every frame that it got and comes back with its cursor when the stream breaks."""

    def __init__(self, stack: Stack, agent: str, role: Role = Role.AGENT, *, office: str = "agent-api") -> None:
        """`office`: the name of the process that it talks to, where there are several."""
        self.stack = stack
        self.office = office
        self.agent = agent
        self.frames: list[dict[str, Any]] = []
        self.cursor: str | None = None
        self._headers = {"authorization": f"Bearer {stack.token(agent, role=role)}"}
        self.client = httpx.AsyncClient(base_url=stack.url(office), headers=self._headers, timeout=10, trust_env=False)

    async def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        """One request, tried again with the same key until something other than an outage answers."""
        headers = {"idempotency-key": key or uuid.uuid4().hex} if method == "POST" else {}
        answers: list[httpx.Response] = []

        async def tried() -> bool:
            with contextlib.suppress(*AWAY):
                answer = await self.client.request(method, path, json=body, headers=headers)
                if answer.status_code < 500:
                    answers.append(answer)
            return bool(answers)

        await eventually(tried, 60, 0.1)
        return answers[0]

    async def decided(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """The same for commands: an answer of 202 is asked for again until the router has spoken."""
        key, answers = uuid.uuid4().hex, []

        async def spoken() -> bool:
            answer = await self.call(method, path, body, key)
            answers.append(answer)
            return answer.status_code != 202

        await eventually(spoken, 60, 0.1)
        return answers[-1]

    async def become(self, status: str) -> None:
        """Change presence."""
        answer = await self.call("PUT", "/v1/me/presence", {"status": status})
        assert answer.status_code in (200, 202), answer.text

    async def follow(self) -> None:
        """Read the stream until cancelled, through every interruption."""
        while True:
            with contextlib.suppress(*AWAY):
                after = f"?after={self.cursor}" if self.cursor else ""
                url = f"{self.stack.url(self.office).replace('http', 'ws')}/v1/stream{after}"
                async with connect(url, additional_headers=self._headers, proxy=None) as socket:
                    async for data in socket:
                        frame = json.loads(data)
                        self.frames.append(frame)
                        self.cursor = frame.get("cursor") or self.cursor
            await asyncio.sleep(0.1)  # A client's back-off, not a wait for something to happen.

    async def frame(self, kind: str, fits: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The first frame of a type that fits, of those there and those to come."""

        def found() -> dict[str, Any] | None:
            return next((frame for frame in self.frames if frame["type"] == kind and fits(frame)), None)

        frame = await eventually(found, 30)
        assert frame is not None
        return frame

    async def close(self) -> None:
        """Hang up."""
        await self.client.aclose()


@contextlib.asynccontextmanager
async def at_work(*desks: Desk) -> AsyncIterator[None]:
    """The desks follow their streams and are available."""
    tasks = [asyncio.create_task(desk.follow()) for desk in desks]
    try:
        for desk in desks:
            await desk.become("available")
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for desk in desks:
            await desk.close()


async def take_everything(desk: Desk) -> None:
    """Accept every offer, answer, resolve; through outages and restarts, until cancelled."""
    while True:
        with contextlib.suppress(AssertionError):
            work = (await desk.call("GET", "/v1/me/work")).json()
            for offer in work["offers"]:
                await desk.decided("POST", f"/v1/offers/{offer['id']}/accept")
            for contact in work["contacts"]:
                if contact["state"] == "active":
                    await desk.decided("POST", f"/v1/contacts/{contact['id']}/resolve", {"disposition": "solved"})
            if (await desk.call("GET", "/v1/me")).json()["presence"] != "available":
                await desk.become("available")
        await asyncio.sleep(0.05)  # An agent's pause between two looks at the desk.


async def send_contact(
    stack: Stack,
    client: httpx.AsyncClient,
    number: int,
    *,
    door: str = "ingest",
    told: Callable[[httpx.Response | Exception], None] = lambda _: None,
) -> dict[str, Any]:
    """Hand one contact in, as an integration does that tries again until it hears 202. Its answer; `told` hears of every one."""
    body = {
        "account": "api",
        "external_id": f"load-{number}",
        "customer": {"handle": f"mailto:customer{number}@example.com", "name": f"Customer {number}"},
        "subject": f"Order {number}",
        "text": "Where is it?",
        "language": "en",
    }
    headers = {"authorization": f"Bearer {stack.token()}"}
    answers: list[dict[str, Any]] = []

    async def taken() -> bool:
        try:
            answer = await client.post(f"{stack.url(door)}/v1/contacts", json=body, headers=headers)
        except AWAY as error:
            told(error)
            return False
        told(answer)
        if answer.status_code == 202:
            answers.append(answer.json())
        elif answer.status_code < 500:
            raise RuntimeError(f"the contact was refused: {answer.text}")
        return bool(answers)

    await eventually(taken, 60, 0.1)
    return answers[0]
