"""A provider's API as far as the senders and the fetcher see it: it answers what a test tells it to and remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from libs.common.http.server import serve_app


@dataclass
class Call:
    """One call that came in."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The urlencoded body."""
        return {name: values[-1] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}


@dataclass
class ProviderServer:
    """`answers` are given in their order, the last one again and again."""

    url: str = ""
    answers: list[Response] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    async def handle(self, request: Request) -> Response:
        """Remember and answer."""
        self.calls.append(
            Call(
                method=request.method,
                path=request.url.path,
                query=request.url.query,
                headers=dict(request.headers.items()),
                body=await request.body(),
            )
        )
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def serve_provider(*answers: Response) -> AsyncIterator[ProviderServer]:
    """A server on a free port of the loopback address while the context lasts."""
    provider = ProviderServer(answers=list(answers))
    app = Starlette(routes=[Route("/{path:path}", provider.handle, methods=["GET", "POST"])])
    async with serve_app(app) as served:
        provider.url = served.url
        yield provider
