"""An HTTP client that costs little, and the closed loop that loads a server with it.

A load generator must be quicker than what it loads, so this one does no more than HTTP/1.1 over connections that stay open: one
request at a time on each, whole answers, no redirects, no TLS. Used by the benchmarks for their load and for their agents.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

ANSWER_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes


class HttpConnection(asyncio.Protocol):
    """One connection. `ask` must not be called again before it has returned."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._body: list[bytes] = []

    async def ask(self, request: bytes) -> Answer:
        """Send a request and give its answer. Raises ConnectionError when the server hangs up."""
        assert self._transport is not None, "connect first"
        assert self._waiter is None, "one request at a time"
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    @property
    def closed(self) -> bool:
        """Whether nothing more can be asked here."""
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name.

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end(ConnectionResetError("the server closed the connection"))

    # Called by the parser.

    def on_body(self, body: bytes) -> None:
        """A part of an answer's body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        answer = Answer(self._parser.get_status_code(), b"".join(self._body))
        self._body.clear()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)
        self._waiter = None

    def _end(self, error: ConnectionError) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self._waiter = None
        self._transport = None


async def open_connection(url: str) -> HttpConnection:
    """A connection to the server of this URL."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    _, connection = await asyncio.get_running_loop().create_connection(HttpConnection, parts.hostname, parts.port)
    return connection


class HttpPool:
    """Connections to one server for many callers at once: each call has one to itself, and gives it back."""

    def __init__(self, url: str) -> None:
        self._url: Final = url
        self._idle: list[HttpConnection] = []
        self._busy: set[HttpConnection] = set()

    async def ask(self, request: bytes) -> Answer:
        """Send a request, which may come twice without harm, and give its answer. Raises ConnectionError."""
        while self._idle:
            connection = self._idle.pop()
            # The server hangs up on who has been silent for a while; that may come to light only now.
            with contextlib.suppress(ConnectionError):
                if not connection.closed:
                    return await self._ask(connection, request)
        return await self._ask(await open_connection(self._url), request)

    async def _ask(self, connection: HttpConnection, request: bytes) -> Answer:
        self._busy.add(connection)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await connection.ask(request)
        except BaseException:
            connection.close()
            raise
        finally:
            self._busy.discard(connection)
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Hang up everywhere."""
        for connection in (*self._idle, *self._busy):
            connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a loop saw. `latencies_s`: of every request, in no order. `statuses`: how many answers had which."""

    seconds: float
    latencies_s: tuple[float, ...]
    statuses: Counter[int]

    @property
    def per_second(self) -> float:
        """Requests answered per second."""
        return len(self.latencies_s) / self.seconds


async def load(url: str, requests: Iterable[bytes], *, connections: int, expected_status: int = 200) -> Load:
    """Send all requests, each as soon as one of the connections is free. Raises AssertionError for an unexpected answer."""
    opened = [await open_connection(url) for _ in range(connections)]
    waiting, latencies, statuses = iter(requests), list[float](), Counter[int]()

    async def work(connection: HttpConnection) -> None:
        for request in waiting:
            started_s = time.perf_counter()
            answer = await connection.ask(request)
            latencies.append(time.perf_counter() - started_s)
            statuses[answer.status] += 1

    with collector_paused():
        started_s = time.perf_counter()
        await asyncio.gather(*(work(connection) for connection in opened))
        seconds = time.perf_counter() - started_s
    for connection in opened:
        connection.close()
    assert set(statuses) == {expected_status}, f"answers of {url}: {dict(statuses)}"
    return Load(seconds=seconds, latencies_s=tuple(latencies), statuses=statuses)


async def load_at(
    rate: float, requests: Iterable[bytes], send: Callable[[int, bytes, float], None], pauses: Iterator[float]
) -> None:
    """Call `send(number, request, due_s)` for each request at its time, whether earlier ones are answered or not.

    `pauses` are relative: each is multiplied by the mean pause. `due_s` is on the clock of `time.perf_counter`; latencies count from
    there, so that a generator that is late does not hide it.
    """
    due_s = time.perf_counter()
    for number, (request, pause) in enumerate(zip(requests, pauses, strict=False)):
        due_s += pause / rate
        if (wait_s := due_s - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        send(number, request, due_s)


def repeat(request: bytes, count: int) -> Iterator[bytes]:
    """The same request again and again."""
    return itertools.repeat(request, count)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Without the garbage collector, whose pauses would be taken for the server's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
