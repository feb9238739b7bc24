"""The HTTP application: routes, problems, the console's files. Nothing happens at import; `compose` calls `create_app`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from libs.common.http.correlation import install_edge
from libs.common.http.health import health_router
from services.agent_api import (
    routes_contacts,
    routes_customers,
    routes_directory,
    routes_handling,
    routes_messages,
    routes_metrics,
    routes_offers,
    routes_queues,
    routes_session,
    routes_waits,
    routes_work,
    ws,
)
from services.agent_api.parts import Parts
from services.agent_api.problems import describe_problems

CONSOLE: Final = Path(__file__).parent / "console"

DESCRIPTION: Final = """
What agents' desktops and supervisors' screens work with. Sign in with `POST /v1/session`; everything else takes the bearer token.
The stream `WS /v1/stream` is described in docs/asyncapi.yaml. Every POST takes an `Idempotency-Key`. Errors are RFC 9457 problem documents.
"""


# The page runs its own files alone, is shown in nobody's frame, and cannot turn text into markup even by mistake.
CONSOLE_POLICY: Final = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


class ConsoleFiles(StaticFiles):
    """The console's files: never taken from a cache without asking, because they change with the program."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or index.html for the root."""
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "no-cache")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Content-Security-Policy", CONSOLE_POLICY)
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response


class AgentApiApp(FastAPI):
    """FastAPI with problems in its document."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = describe_problems(super().openapi())
        return self.openapi_schema


def create_app(parts: Parts, *, console: Path = CONSOLE) -> FastAPI:
    """The app over these parts; the console at `/` where its files are there."""
    app = AgentApiApp(
        title="Centralino agent API",
        version="1",
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url="/docs",
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.parts = parts
    app.state.tokens = parts.tokens
    install_edge(app, service="agent-api", metrics=parts.metrics, body_bytes_max=parts.settings.reply_bytes_max)
    app.include_router(health_router(parts.health, parts.metrics.registry))
    modules: tuple[Any, ...] = (
        routes_session,
        routes_work,
        routes_offers,
        routes_contacts,
        routes_handling,
        routes_messages,
        routes_customers,
        routes_directory,
        routes_queues,
        routes_metrics,
        routes_waits,
        ws,
    )
    for module in modules:
        app.include_router(module.router)
    if console.is_dir():
        # Last, because it answers for every path that nothing else has taken.
        app.mount("/", ConsoleFiles(directory=console, html=True), name="console")
    return app
