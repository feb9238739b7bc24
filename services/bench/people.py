"""The agents of a benchmark: each holds its stream and acts through the agent API, as a desktop does.

A frame is noted with the time at which it came and read by whoever the benchmark says. Used by the benchmarks of latency and of lives.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from libs.common.errors import OutageError
from services.bench.http_load import Answer, HttpPool
from services.bench.requests import request_bytes
from services.bench.stack import Stack

FRAME_BYTES_MAX: Final = 16 * 1024 * 1024
OPEN_TIMEOUT_S: Final = 60.0
_PENDING: Final = 202
_TRIES_MAX: Final = 10

OnFrame = Callable[["Desk", float, bytes], None]


class CommandRefusedError(OutageError):
    """The agent API did not do what an agent asked for."""


class Desk:
    """One agent's desktop."""

    def __init__(self, agent: str, headers: Mapping[str, str], pool: HttpPool, socket: ClientConnection) -> None:
        self.agent = agent
        self._headers = headers
        self._pool = pool
        self._socket = socket

    async def follow(self, on_frame: OnFrame) -> None:
        """Hand every frame on, with the time when it came, until the stream ends."""
        while True:
            data = await self._socket.recv(decode=False)
            on_frame(self, time.perf_counter(), data)

    async def command(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask for something until the router has answered; the answer's JSON. Raises CommandRefusedError."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = {**self._headers, "content-type": "application/json", "idempotency-key": uuid4().hex}
        request = request_bytes(method, path, headers, content)
        for _ in range(_TRIES_MAX):
            answer: Answer = await self._pool.ask(request)
            if answer.status >= 300:
                raise CommandRefusedError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
            if answer.status != _PENDING:
                return msgspec.json.decode(answer.body)
        raise CommandRefusedError(f"{method} {path}: the router did not answer")


class Desks:
    """All agents of a stack, signed in, available and following; a context manager."""

    def __init__(self, stack: Stack, agents: Sequence[str], on_frame: OnFrame) -> None:
        self._stack = stack
        self._agents = agents
        self._on_frame = on_frame
        self._pool = HttpPool(stack.url("agent-api"))
        self._exits = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        stream = f"{self._stack.url('agent-api').replace('http', 'ws', 1)}/v1/stream"
        for agent in self._agents:
            headers = self._stack.agent_headers(agent)
            opening = connect(
                stream,
                additional_headers=headers,
                compression=None,
                max_size=FRAME_BYTES_MAX,
                open_timeout=OPEN_TIMEOUT_S,
                proxy=None,
            )
            desk = Desk(agent, headers, self._pool, await self._exits.enter_async_context(opening))
            self._tasks.append(asyncio.create_task(desk.follow(self._on_frame), name=f"desk {agent}"))
            await desk.command("PUT", "/v1/me/presence", {"status": "available"})
        return self

    def check(self) -> None:
        """Raise what has ended a stream, if something did."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._exits.aclose()
        self._pool.close()
