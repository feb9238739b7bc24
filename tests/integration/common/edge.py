"""A small service's edge for tests: an app with all layers, really served, and a client of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, FastAPI, Query, Request, WebSocket
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse, StreamingResponse

from libs.common.errors import LogUnavailableError, RefusedError
from libs.common.http.correlation import current_correlation_id, install_edge
from libs.common.http.health import Health, health_router
from libs.common.http.limits import parse_json, read_body
from libs.common.http.problem import FieldError, ProblemError
from libs.common.http.server import Served, serve_app
from libs.common.metrics import Metrics

WEBHOOK_BYTES_MAX = 5_000


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    priority: int = Field(default=0, ge=0)
    skills: dict[str, int] = {}


def an_app(metrics: Metrics | None = None, health: Health | None = None, **edge: Any) -> FastAPI:
    metrics = metrics or Metrics()
    app = FastAPI()
    install_edge(app, service="orders", metrics=metrics, own_limit_prefixes=("/v1/webhooks/",), **edge)
    app.include_router(health_router(health or Health(), metrics.registry))
    app.include_router(_routes(), prefix="/v1")
    app.include_router(_websocket_routes(), prefix="/v1")

    async def webhook(request: Request) -> PlainTextResponse:
        body = await read_body(request, WEBHOOK_BYTES_MAX)
        if request.query_params.get("parse"):
            parse_json(body)
        return PlainTextResponse(str(len(body)))

    app.add_route("/v1/webhooks/{account}", webhook, methods=["POST"])
    return app


def _routes() -> APIRouter:
    router = APIRouter()

    @router.post("/orders/{order_id}")
    async def order(order_id: str, order: Order, dry: Annotated[bool, Query()] = False) -> dict[str, str | None]:
        return {"text": order.text, "correlation_id": current_correlation_id()}

    @router.get("/gone")
    async def gone() -> None:
        raise ProblemError(
            409,
            "offer-expired",
            "Offer expired",
            "The offer ended at 12:00.",
            errors=[FieldError("is over", pointer="/offer")],
            headers={"X-Kind": "offer"},
            extra={"offer_id": "off_1"},
        )

    @router.get("/refused")
    async def refused() -> None:
        raise RefusedError("the pool has no such queue")

    @router.get("/outage")
    async def outage() -> None:
        raise LogUnavailableError("broker-17 said: luca@example.com")

    @router.get("/bug")
    async def bug() -> None:
        raise ValueError("luca@example.com wrote: where is my order")

    @router.get("/late-bug")
    async def late_bug() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first"
            raise ValueError("luca@example.com")

        return StreamingResponse(pieces())

    @router.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    return router


def _websocket_routes() -> APIRouter:
    router = APIRouter()

    @router.websocket("/talk")
    async def talk(websocket: WebSocket, how: str = "echo") -> None:
        if how == "refuse":
            raise ProblemError(401, "unauthorized")
        if how == "bug-before":
            raise ValueError("luca@example.com")
        await websocket.accept()
        if how == "bug":
            raise ValueError("luca@example.com")
        await websocket.send_text(await websocket.receive_text())

    return router


@asynccontextmanager
async def served_edge(app: FastAPI) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    async with (
        serve_app(app) as served,
        httpx.AsyncClient(base_url=served.url, trust_env=False, timeout=20) as client,
    ):
        yield served, client
