"""Simulated agents: each signs in, holds the stream, takes most offers, answers and resolves, like somebody at the console.

They use the public API alone. What the API refuses (an offer that another one got) is a part of the day; what does not answer is tried
again. Started by `compose`.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from random import Random
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from libs.common.clock import Clock
from libs.common.logging import get_logger
from services.demo.script import Answers, chance

ACCEPT_SHARE: Final = 0.93
THINK_MS: Final = (900, 3_500)
WRITE_MS: Final = (5_000, 16_000)
CLOSE_MS: Final = (3_000, 8_000)
RETRY_MS: Final = 1_000
TRIES_MAX: Final = 5
FRAME_BYTES_MAX: Final = 4 * 1024 * 1024
DISPOSITIONS: Final = ("solved", "solved", "solved", "informed")


class SimulatedAgent:
    """One agent. `run` never ends by itself; `url` is the agent API's."""

    def __init__(
        self, agent_id: str, password: str, url: str, clock: Clock, seed: int, client: httpx.AsyncClient
    ) -> None:
        self.agent_id = agent_id
        self._password = password
        self._url = url
        self._clock = clock
        self._chance: Random = chance(seed, f"agent {agent_id}")
        self._answers = Answers(self._chance)
        self._client = client
        self._token = ""
        self._busy: set[str] = set()
        self.resolved = 0

    async def run(self) -> None:
        """Work for ever: sign in, follow the stream, and come back when it breaks. Work in hand goes on meanwhile."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    if await self._sign_in() and await self._become_available():
                        await self._follow(group)
                except (OSError, TimeoutError, WebSocketException, httpx.TransportError) as error:
                    get_logger("demo").info("agent is not connected", agent=self.agent_id, why=type(error).__name__)
                await self._clock.sleep_ms(RETRY_MS)

    async def _sign_in(self) -> bool:
        if (await self._client.get(f"{self._url}/readyz")).is_error:
            return False
        body = {"agent_id": self.agent_id, "password": self._password}
        answer = await self._client.post(f"{self._url}/v1/session", json=body)
        if answer.is_error:
            return False
        self._token = answer.json()["token"]
        return True

    async def _become_available(self) -> bool:
        return await self._call("PUT", "/v1/me/presence", {"status": "available"}) is not None

    async def _follow(self, group: asyncio.TaskGroup) -> None:
        stream = f"{self._url.replace('http', 'ws', 1)}/v1/stream"
        headers = {"Authorization": f"Bearer {self._token}"}
        async with connect(stream, additional_headers=headers, max_size=FRAME_BYTES_MAX, proxy=None) as socket:
            await self._listen(socket, group)

    async def _listen(self, socket: ClientConnection, group: asyncio.TaskGroup) -> None:
        async for data in socket:
            frame: dict[str, Any] = json.loads(data)
            match frame.get("type"):
                case "hello":
                    for offer in frame["work"]["offers"]:
                        self._begin(group, offer["id"], offer=offer)
                    for contact in frame["work"]["contacts"]:
                        self._begin(group, contact["id"], contact=contact)
                case "offer.made":
                    self._begin(group, frame["offer"]["id"], offer=frame["offer"])
                case "presence.changed":
                    # An outage can make somebody who answers look like somebody who does not.
                    if frame["agent"] == self.agent_id and frame["presence"] == "not_responding":
                        await self._become_available()
                case "contact.assigned":
                    self._begin(group, frame["contact"]["id"], contact=frame["contact"])

    def _begin(
        self,
        group: asyncio.TaskGroup,
        what: str,
        *,
        offer: Mapping[str, Any] | None = None,
        contact: Mapping[str, Any] | None = None,
    ) -> None:
        """Start work on an offer or a contact, once. A supervisor's stream tells of others' work too."""
        if what in self._busy:
            return
        if offer is not None:
            self._busy.add(what)
            group.create_task(self._consider(offer))
        elif contact is not None and contact.get("agent") == self.agent_id:
            self._busy.add(what)
            group.create_task(self._work_on(contact))

    async def _consider(self, offer: Mapping[str, Any]) -> None:
        await self._pause(THINK_MS)
        if self._chance.random() < ACCEPT_SHARE:
            await self._call("POST", f"/v1/offers/{offer['id']}/accept")
        else:
            await self._call("POST", f"/v1/offers/{offer['id']}/reject", {"reason": "busy"})
        self._busy.discard(offer["id"])

    async def _work_on(self, contact: Mapping[str, Any]) -> None:
        path = f"/v1/contacts/{contact['id']}"
        if contact.get("state") == "active":
            customer = contact.get("customer") or {}
            await self._pause(WRITE_MS)
            text = self._answers.compose(
                language=contact.get("language"), queue=str(contact.get("queue")), name=customer.get("name")
            )
            await self._call("POST", f"{path}/messages", {"text": text})
            await self._pause(CLOSE_MS)
            disposition = self._chance.choice(DISPOSITIONS)
            summary = f"{contact.get('subject') or contact.get('preview') or ''}"[:200]
            body = {"disposition": disposition, "summary": summary, "follow_up": True}
            if await self._call("POST", f"{path}/resolve", body) is not None:
                self.resolved += 1
        elif contact.get("state") == "wrap_up":
            await self._call("POST", f"{path}/wrap-up/done")
        self._busy.discard(contact["id"])

    async def _pause(self, span_ms: tuple[int, int]) -> None:
        await self._clock.sleep_ms(self._chance.randint(*span_ms))

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's JSON; None when the API refuses. A command keeps its key over all tries, so it has one effect."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        for _ in range(TRIES_MAX):
            headers["Authorization"] = f"Bearer {self._token}"
            try:
                answer = await self._client.request(method, f"{self._url}{path}", json=body, headers=headers)
                expired = answer.status_code == httpx.codes.UNAUTHORIZED
                if expired and await self._sign_in():
                    continue
            except httpx.TransportError:
                await self._clock.sleep_ms(RETRY_MS)
                continue
            if answer.status_code >= 500 or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                await self._clock.sleep_ms(RETRY_MS)
                continue
            if answer.is_error:
                get_logger("demo").info("refused", agent=self.agent_id, path=path, status=answer.status_code)
                return None
            return answer.json() if answer.content else {}
        return None
