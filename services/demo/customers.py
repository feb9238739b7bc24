"""Simulated customers: they post what the script says at a gentle rate, and post it again when ingest does not take it.

Providers try again too; like them the demo gives up on a post that is refused (4xx) and goes on. Started by `compose`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Mapping
from typing import Final

import httpx

from libs.common.clock import Clock
from libs.common.logging import get_logger
from services.demo.posts import Post, Secrets, Surroundings, make_post
from services.demo.script import Request, Script, chance

FIRST_REQUESTS: Final = 6
FIRST_PAUSE_MS: Final = 400
PAUSE_MS: Final = (2_500, 6_500)
MORE_AFTER_MS: Final = (5_000, 12_000)
RETRY_MS: Final = 1_000
TRIES_MAX: Final = 60


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the customers post: `url` is ingest as this process reaches it, `public_url` as providers know it."""

    url: str
    public_url: str
    addresses: Mapping[str, str]
    secrets: Secrets


class Customers:
    """The crowd. `run` never ends by itself."""

    def __init__(self, target: Target, clock: Clock, seed: int, client: httpx.AsyncClient) -> None:
        self._target = target
        self._clock = clock
        self._script = Script(seed)
        self._chance = chance(seed, "customers' pace")
        self._client = client
        self.posted = 0

    async def run(self) -> None:
        """Post for ever: a few at once at the beginning, then one every few seconds."""
        async with asyncio.TaskGroup() as group:
            number = 0
            while True:
                pause_ms = FIRST_PAUSE_MS if number < FIRST_REQUESTS else self._chance.randint(*PAUSE_MS)
                await self._clock.sleep_ms(pause_ms)
                request = self._script.next()
                if request.more is not None:
                    group.create_task(self._say_more(request, self._chance.randint(*MORE_AFTER_MS)))
                await self.post(request)
                number += 1

    async def post(self, request: Request) -> bool:
        """Bring one request in; whether ingest took it. Tries again while ingest does not answer or is overloaded."""
        unique = uuid.uuid4().hex
        for _ in range(TRIES_MAX):
            # Made anew each time, because a signature may be over the time; the ids stay the same.
            post = make_post(request, self._surroundings(unique))
            status = await self._send(post)
            if status is not None and status < 400:
                self.posted += 1
                return True
            if status is not None and status < 500:
                get_logger("demo").warning("a request was refused", path=post.path, status=status)
                return False
            await self._clock.sleep_ms(RETRY_MS)
        get_logger("demo").warning("a request was given up", account=request.account)
        return False

    async def _say_more(self, request: Request, after_ms: int) -> None:
        await self._clock.sleep_ms(after_ms)
        assert request.more is not None, "only who has more to say says more"
        await self.post(dataclasses.replace(request, text=request.more, more=None))

    async def _send(self, post: Post) -> int | None:
        try:
            answer = await self._client.post(
                f"{self._target.url}{post.path}", headers=dict(post.headers), content=post.body
            )
        except httpx.TransportError:
            return None
        return answer.status_code

    def _surroundings(self, unique: str) -> Surroundings:
        return Surroundings(
            secrets=self._target.secrets,
            public_url=self._target.public_url,
            addresses=self._target.addresses,
            unique=unique,
            now_ms=self._clock.now_ms(),
        )
