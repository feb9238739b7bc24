"""An HTTP server inside a process that does other work as well: uvicorn without its own ideas about signals and logging.

`serve_app` is called by `lifecycle.run_services` and by tests. It must not be used by anything that decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from libs.common.errors import CentralinoError

GRACE_S: Final = 10
BACKLOG: Final = 2048
DATE_INTERVAL_S: Final = 1.0
WEBSOCKET_BYTES_MAX: Final = 65_536
WEBSOCKET_END_S: Final = 5


class PortUnavailableError(CentralinoError):
    """The address cannot be listened on."""


class EmbeddedServer(uvicorn.Server):
    """uvicorn's server, leaving signals to whoever embeds it, and woken to stop instead of looking ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    def begin_stop(self) -> None:
        """Accept nothing more from now on; `serve` returns when what is in flight is done."""
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        """Keep the Date header true until it is time to stop."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DATE_INTERVAL_S):
                    await self._stopping.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class EndingWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, whose connection is gone soon after its handler has ended.

    A closed transport waits until what is buffered was sent. A peer that reads nothing would keep connection and buffer for ever.
    """

    async def run_asgi(self) -> None:
        """Let the handler run, leave time for the closing handshake, then cut the connection off."""
        await super().run_asgi()
        self.loop.call_later(WEBSOCKET_END_S, self.transport.abort)


@dataclass(frozen=True, slots=True)
class Served:
    """A server that listens."""

    host: str
    port: int
    server: EmbeddedServer
    task: asyncio.Task[None]

    @property
    def url(self) -> str:
        """`http://host:port`, with a host that one can connect to."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - translated, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def stop(self) -> None:
        """Accept nothing more, finish what is in flight within the grace time, and end. Raises what ended the server before."""
        self.server.begin_stop()
        await asyncio.shield(self.task)


@asynccontextmanager
async def serve_app(
    app: Any,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    trusted_proxies: Sequence[str] = (),
    grace_s: int = GRACE_S,
) -> AsyncIterator[Served]:
    """Serve an ASGI app while the context lasts; port 0 takes a free one, told by the result. Raises PortUnavailableError.

    `trusted_proxies`: addresses whose X-Forwarded-* headers are believed. An app's lifespan is not used: background work is
    `Service.run`. WebSocket compression is off, because it costs more memory per connection than it saves in traffic.
    """
    listener = bind_listener(host, port)
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws=EndingWebSocket,
        ws_per_message_deflate=False,
        ws_max_size=WEBSOCKET_BYTES_MAX,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        backlog=BACKLOG,
        timeout_graceful_shutdown=grace_s,
    )
    server = EmbeddedServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"serve {host}:{port}")
    served = Served(host, listener.getsockname()[1], server, task)
    try:
        yield served
    finally:
        await served.stop()


def bind_listener(host: str, port: int) -> socket.socket:
    """A socket that listens on this address. Raises PortUnavailableError, which names it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # From here on connections are taken into the backlog, so the address may be told to others.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortUnavailableError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener
