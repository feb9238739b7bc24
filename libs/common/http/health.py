"""Health: what of a service is ready, and the three operations routes that every service has.

`/livez` says that the event loop turns, nothing else: a broker that is away must not get a process killed. `/readyz` says whether
requests should come here, and names every part. Called by every service's `compose` and `create_app`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec
from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHealth:
    """One part's state; `detail` is for operators and says what is missing, without secrets."""

    name: str
    ready: bool
    detail: str


class Health:
    """The readiness of the parts of one service. A part that was never set is not ready.

    Single-threaded: call it from the event loop.
    """

    def __init__(self, *parts: str) -> None:
        """`parts`: names known from the start, not ready until `set` says so."""
        self._parts: dict[str, PartHealth] = {}
        self._changed = asyncio.Event()
        for name in parts:
            self.set(name, ok=False, detail="starting")

    def set(self, name: str, ok: bool, detail: str = "") -> None:
        """Say how a part is. `detail` should say what is missing where it is not ready."""
        self._parts[name] = PartHealth(name=name, ready=ok, detail=detail)
        self._changed.set()

    def remove(self, name: str) -> None:
        """Forget a part that the service no longer needs (a partition handed on)."""
        self._parts.pop(name, None)
        self._changed.set()

    def check(self) -> tuple[PartHealth, ...]:
        """Every part, in the order in which they were named."""
        return tuple(self._parts.values())

    @property
    def ready(self) -> bool:
        """Whether every part is."""
        return all(part.ready for part in self._parts.values())

    async def wait_until_ready(self) -> None:
        """Return once every part is ready. One waiter at a time is woken per change; several may wait."""
        while not self.ready:
            self._changed = self._changed if not self._changed.is_set() else asyncio.Event()
            await self._changed.wait()


def health_router(health: Health, registry: CollectorRegistry) -> APIRouter:
    """`/livez`, `/readyz` (503 while a part is not ready) and `/metrics`."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez", summary="Whether the process works")
    async def livez() -> dict[str, bool]:
        return {"alive": True}

    @router.get("/readyz", summary="Whether requests should come here", responses={503: {"description": "Not ready"}})
    async def readyz() -> Response:
        parts = health.check()
        ready = health.ready
        body = {
            "ready": ready,
            "parts": [{"name": part.name, "ready": part.ready, "detail": part.detail} for part in parts],
        }
        return Response(msgspec.json.encode(body), status_code=200 if ready else 503, media_type="application/json")

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
