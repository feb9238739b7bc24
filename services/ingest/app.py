"""The ingest service's HTTP edge: webhooks, integrations' contacts, web forms, and the operations routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from libs.common.clock import Clock
from libs.common.configuration.models import Configuration
from libs.common.http.auth import TokenAuthority
from libs.common.http.correlation import install_edge
from libs.common.http.health import Health, health_router
from libs.common.metrics import Metrics
from services.ingest import routes_callbacks, routes_contacts, routes_forms, routes_public, routes_webhooks
from services.ingest.channels.port import AccountContext
from services.ingest.expected_waits import AskWait
from services.ingest.receive import Receiver

_OWN_LIMITS = ("/v1/webhooks/", routes_forms.PREFIX)
_CONTACT_BYTES_MAX = 15 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What the app is made of."""

    accounts: Mapping[str, AccountContext]
    configuration: Configuration
    webhooks: routes_webhooks.Webhooks
    receiver: Receiver
    tokens: TokenAuthority
    ask_wait: AskWait
    clock: Clock
    health: Health
    metrics: Metrics


def create_app(deps: Deps) -> FastAPI:
    """The app. Nothing is reached before a request."""
    app = FastAPI(title="Centralino ingest", version="1", docs_url="/docs", redoc_url=None)
    app.state.tokens = deps.tokens
    install_edge(
        app,
        service="ingest",
        metrics=deps.metrics,
        body_bytes_max=_CONTACT_BYTES_MAX,
        own_limit_prefixes=_OWN_LIMITS,
    )
    app.include_router(health_router(deps.health, deps.metrics.registry))
    app.include_router(routes_contacts.contacts_router(deps.accounts, deps.receiver, deps.clock))
    app.include_router(routes_callbacks.callbacks_router(deps.accounts, deps.receiver, deps.clock))
    app.include_router(routes_forms.forms_router(deps.accounts, deps.receiver, deps.clock))
    app.include_router(routes_public.public_router(deps.configuration, deps.clock, deps.ask_wait))
    # In front: routes are tried in order, and trying those before it cost the hot path a tenth of its time.
    app.router.routes.insert(0, deps.webhooks.route)
    _describe_webhooks(app)
    return app


def _describe_webhooks(app: FastAPI) -> None:
    """Put the webhook route into the OpenAPI document: a plain Starlette route is not found there by itself."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        operation = {
            "tags": ["webhooks"],
            "summary": "A provider's call",
            "description": "Body and answer are the provider's. Answered only once everything is on the log.",
            "parameters": [{"name": "account", "in": "path", "required": True, "schema": {"type": "string"}}],
            "responses": {
                "200": {"description": "Taken; the body is what the provider expects."},
                "400": {"description": "The body cannot be read (Mailgun: 406)."},
                "403": {"description": "Bad signature, or a replayed token."},
                "404": {"description": "No such account."},
                "413": {"description": "Too large."},
                "503": {"description": "Not now; `Retry-After` says when."},
            },
        }
        document["paths"].setdefault(routes_webhooks.PATH, {"post": operation})
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document.
