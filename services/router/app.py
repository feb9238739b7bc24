"""The router's HTTP edge: the operations routes and nothing else. Contacts come and go by the log alone."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI

from libs.common.http.correlation import install_edge
from libs.common.http.health import Health, health_router
from libs.common.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What the app is made of."""

    health: Health
    metrics: Metrics


def create_app(deps: Deps) -> FastAPI:
    """The app. Nothing is reached before a request."""
    app = FastAPI(title="Centralino router", version="1", docs_url="/docs", redoc_url=None)
    install_edge(app, service="router", metrics=deps.metrics)
    app.include_router(health_router(deps.health, deps.metrics.registry))
    return app
