"""The router's HTTP edge: the operations routes, and why something was decided. Contacts come and go by the log alone."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI

from libs.common.http.auth import TokenAuthority
from libs.common.http.correlation import install_edge
from libs.common.http.health import Health, health_router
from libs.common.log.port import EventLog
from libs.common.metrics import Metrics
from services.router import routes_explain
from services.router.routes_explain import Explaining


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What the app is made of. `tokens` None: nobody can be recognised here, and nothing is explained to anybody."""

    health: Health
    metrics: Metrics
    log: EventLog
    tokens: TokenAuthority | None


def create_app(deps: Deps) -> FastAPI:
    """The app. Nothing is reached before a request."""
    app = FastAPI(title="Centralino router", version="1", docs_url="/docs", redoc_url=None)
    install_edge(app, service="router", metrics=deps.metrics)
    app.include_router(health_router(deps.health, deps.metrics.registry))
    if deps.tokens is not None:
        app.state.tokens = deps.tokens
        app.state.explaining = Explaining(log=deps.log)
        app.include_router(routes_explain.router)
    return app
