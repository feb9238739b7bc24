"""The outermost layer of every service's HTTP edge: correlation ids, request metrics, overload, and the answer to a bug.

Pure ASGI, because it stands in front of the hot webhook. It must not look into bodies. Called through `install_edge` by every
service's `create_app`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from itertools import count
from secrets import token_hex
from time import perf_counter
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.http.limits import DEFAULT_BODY_BYTES_MAX, BodyLimitMiddleware
from libs.common.http.problem import (
    ProblemError,
    install_problem_handlers,
    internal_problem,
    problem_response,
    unavailable_problem,
)
from libs.common.logging import correlated, current_correlation_id, get_logger
from libs.common.metrics import Metrics

__all__ = ["HEADER", "CorrelationMiddleware", "current_correlation_id", "install_edge"]

HEADER: Final = b"x-correlation-id"
OPERATIONS_PATHS: Final = frozenset({"/livez", "/readyz", "/metrics"})
CLIENT_GONE: Final = 499
IN_FLIGHT_MAX: Final = 2000
NO_ROUTE: Final = "(none)"

# What callers may choose: nothing that could break a log line, a header or a label.
_ACCEPTABLE_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


def install_edge(
    app: FastAPI,
    *,
    service: str,
    metrics: Metrics,
    body_bytes_max: int = DEFAULT_BODY_BYTES_MAX,
    own_limit_prefixes: tuple[str, ...] = (),
    in_flight_max: int = IN_FLIGHT_MAX,
) -> None:
    """Give an app all that every service's edge has: problems, correlation, request metrics, limits.

    `own_limit_prefixes`: paths whose routes read their bodies themselves with `limits.read_body`.
    """
    install_problem_handlers(app)
    # The one that is added last is the outermost.
    app.add_middleware(BodyLimitMiddleware, limit_bytes=body_bytes_max, own_limit_prefixes=own_limit_prefixes)
    app.add_middleware(CorrelationMiddleware, service=service, metrics=metrics, in_flight_max=in_flight_max)


class CorrelationMiddleware:
    """Takes or makes the correlation id, puts it on every answer, counts and times each request, answers 500 to a bug.

    With more than `in_flight_max` requests being worked on, further ones get 503 at once: a queue would only make all of them late.
    """

    def __init__(self, app: ASGIApp, *, service: str, metrics: Metrics, in_flight_max: int = IN_FLIGHT_MAX) -> None:
        self.app = app
        self._service = service
        self._in_flight_max = in_flight_max
        self._in_flight = 0
        self._metrics = metrics
        metrics.http_requests_in_flight.labels(service).set_function(lambda: self._in_flight)
        # Nobody can do anything with an id, so that it need not be one that nobody can guess; only its beginning is random.
        self._ids = map(f"cor_{token_hex(6)}{{:012x}}".format, count())
        # Looking up a child by its labels costs more than counting.
        self._counters: dict[tuple[str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}
        self._plain_routes: dict[Any, str] = {}
        self._log = get_logger("http")
        # Asking here is quicker than having structlog find out for each request that nobody wants the line.
        self._is_logged = logging.getLogger("http").isEnabledFor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request or WebSocket on, under its correlation id."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        correlation_id = _requested_id(scope) or next(self._ids)
        with correlated(correlation_id, service=self._service):
            if scope["type"] == "http":
                await self._handle_request(scope, receive, _Answer(send, correlation_id))
            else:
                await self._handle_websocket(scope, receive, _Answer(send, correlation_id))

    async def _handle_request(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        started_s = perf_counter()
        if self._in_flight >= self._in_flight_max and scope["path"] not in OPERATIONS_PATHS:
            await _send_problem(unavailable_problem("Too many requests at once."), scope, receive, answer)
            self._observe(scope, answer.status, perf_counter() - started_s)
            return
        self._in_flight += 1
        try:
            await self.app(scope, receive, answer)
        except ClientDisconnect:
            answer.status = CLIENT_GONE
        except asyncio.CancelledError:
            # The process ends and this request took longer than the grace time: whether it had an effect is not known.
            if not answer.status:
                await _send_problem(unavailable_problem("This server is stopping."), scope, receive, answer)
            raise
        except Exception:
            # A bug harms this request alone. Nothing was answered yet: say so. Something was: cut the answer off.
            self._log.exception("request failed", method=scope["method"], route=self._route(scope))
            if answer.status:
                answer.status = 500
                raise
            await _send_problem(internal_problem(), scope, receive, answer)
        finally:
            self._in_flight -= 1
            self._observe(scope, answer.status or CLIENT_GONE, perf_counter() - started_s)

    async def _handle_websocket(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self.app(scope, receive, answer)
        except Exception:
            self._log.exception("websocket failed", route=self._route(scope))
            if answer.closed:
                return
            if answer.accepted:
                await answer({"type": "websocket.close", "code": 1011, "reason": "internal-error"})
            else:
                await _send_problem(internal_problem(), scope, receive, answer)

    def _observe(self, scope: Scope, status: int, elapsed_s: float) -> None:
        route = self._route(scope)
        counter = self._counters.get((route, status))
        if counter is None:
            counter = self._metrics.http_requests.labels(self._service, route, str(status))
            self._counters[route, status] = counter
        counter.inc()
        timer = self._timers.get(route)
        if timer is None:
            timer = self._metrics.http_request_seconds.labels(self._service, route)
            self._timers[route] = timer
        timer.observe(elapsed_s)
        level = logging.ERROR if status >= 500 and scope["path"] not in OPERATIONS_PATHS else logging.DEBUG
        if self._is_logged(level):
            self._log.log(
                level, "request", method=scope["method"], route=route, status=status, ms=round(elapsed_s * 1e3, 1)
            )

    def _route(self, scope: Scope) -> str:
        """The route's pattern: the path itself has ids in it, and anybody can ask for any path."""
        # A route of an included router knows its path without the prefix; FastAPI keeps the whole one beside it.
        included = scope.get("fastapi", {}).get("effective_route_context")
        path = getattr(included, "path", None) or getattr(scope.get("route"), "path", None)
        if path is None and "endpoint" in scope:
            path = self._plain_route(scope["app"], scope["endpoint"])
        return path or NO_ROUTE

    def _plain_route(self, app: FastAPI, endpoint: Any) -> str:
        # Of a plain Starlette route (the hot ones) the scope has the endpoint alone.
        path = self._plain_routes.get(endpoint)
        if path is None:
            found = (route for route in app.routes if getattr(route, "endpoint", None) is endpoint)
            path = str(getattr(next(found, None), "path", NO_ROUTE))
            self._plain_routes[endpoint] = path
        return path


class _Answer:
    """An ASGI `send` that puts the correlation id on the answer and remembers how far it got."""

    __slots__ = ("_header", "_send", "accepted", "closed", "status")

    def __init__(self, send: Send, correlation_id: str) -> None:
        self._send = send
        self._header = (HEADER, correlation_id.encode())
        self.status = 0
        self.accepted = False
        self.closed = False

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            message["headers"] = [*message.get("headers", ()), self._header]
            self.status = message.get("status", 101)
            self.accepted = kind == "websocket.accept"
            self.closed = kind == "websocket.http.response.start"
        elif kind == "websocket.close":
            self.closed = True
        await self._send(message)


async def _send_problem(problem: ProblemError, scope: Scope, receive: Receive, answer: _Answer) -> None:
    await problem_response(problem)(scope, receive, answer)


def _requested_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == HEADER:
            return value.decode() if _ACCEPTABLE_ID.fullmatch(value) else None
    return None
