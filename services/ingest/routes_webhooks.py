"""`/v1/webhooks/{account}`: verify, normalise, append, answer as the provider expects. The hot path.

A plain Starlette route: what FastAPI does for parameters costs more than all of the work here. Bad signature 403, unknown account 404,
malformed 400, too large 413, own overload 503 with `Retry-After`, unless another code is the provider's own word for the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from libs.common.clock import Clock
from libs.common.http.correlation import current_correlation_id
from libs.common.http.limits import read_body
from libs.common.http.problem import FieldError, ProblemError
from libs.common.metrics import Metrics
from services.ingest.channels.port import (
    AccountContext,
    Channel,
    InboundRequest,
    MalformedError,
    Normalised,
    RefusalKind,
    SignatureInvalidError,
)
from services.ingest.receive import Receiver
from services.ingest.replays import Replays

# Postmark's largest inbound mail is 35 MB of attachments, in base64; the others are smaller.
BODY_BYTES_MAX: Final = 50 * 1024 * 1024
# Beyond this, decoding attachments takes so long that others would wait for it.
_THREAD_BYTES: Final = 512 * 1024
PATH: Final = "/v1/webhooks/{account}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """An account that has webhooks, with its adapter."""

    account: AccountContext
    channel: Channel
    body_bytes_max: int = BODY_BYTES_MAX


class Webhooks:
    """The webhooks' endpoint. `public_url` is how providers reach this service: signatures cover it."""

    def __init__(
        self,
        *,
        hooks: Mapping[str, Hook],
        receiver: Receiver,
        replays: Replays,
        clock: Clock,
        metrics: Metrics,
        public_url: str,
    ) -> None:
        self._hooks = hooks
        self._receiver = receiver
        self._replays = replays
        self._clock = clock
        self._metrics = metrics
        self._public_url = public_url
        self.route = Route(PATH, self.handle, methods=["GET", "POST"])

    async def handle(self, request: Request) -> Response:
        """Answer one call of a provider."""
        request.scope["route"] = self.route
        hook = self._hooks.get(request.path_params["account"])
        if hook is None:
            raise ProblemError(404, "account-unknown", "Unknown account", "No account with webhooks has this name.")
        inbound = await self._inbound(request, hook)
        now_ms = self._clock.now_ms()
        try:
            hook.channel.verify(inbound, hook.account, now_ms)
            replay = hook.channel.replay_key(inbound)
            if replay is not None and not await self._replays.admit(hook.account.name, replay, now_ms):
                raise self._refused(hook, RefusalKind.REPLAYED, "This token came before, with another body.")
            normalised = await _normalise(hook, inbound, now_ms)
        except SignatureInvalidError as error:
            raise self._refused(hook, RefusalKind.SIGNATURE, str(error)) from error
        except MalformedError as error:
            raise self._refused(hook, RefusalKind.MALFORMED, error.detail, error.place) from error
        if normalised.problems and not (normalised.messages or normalised.deliveries or normalised.ignored):
            # Nothing of it could be read: the sender is told, and the items are kept for somebody to look at.
            await self._receiver.receive(hook.account, normalised, current_correlation_id() or "")
            problem = normalised.problems[0]
            raise self._refused(hook, RefusalKind.MALFORMED, problem.detail, problem.place)
        await self._receiver.receive(hook.account, normalised, current_correlation_id() or "")
        answer = hook.channel.answer()
        return Response(answer.body, status_code=answer.status, media_type=answer.content_type)

    async def _inbound(self, request: Request, hook: Hook) -> InboundRequest:
        try:
            body = await read_body(request, hook.body_bytes_max)
        except ProblemError as problem:
            if problem.status == 413:
                self._metrics.webhook_messages.labels(hook.account.name, RefusalKind.TOO_LARGE.value).inc()
                problem.status = hook.channel.refusal_status(RefusalKind.TOO_LARGE)
            raise
        query = request.scope["query_string"].decode("latin-1")
        # Starlette decodes the path; the signature covers it as it was sent.
        path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1")
        return InboundRequest(
            method=request.method,
            url=f"{self._public_url}{path}" + (f"?{query}" if query else ""),
            query=tuple(request.query_params.multi_items()),
            headers=dict(request.headers.items()),
            body=body,
            remote=request.client.host if request.client else None,
        )

    def _refused(self, hook: Hook, kind: RefusalKind, detail: str, place: str | None = None) -> ProblemError:
        self._metrics.webhook_messages.labels(hook.account.name, kind.value).inc()
        titles = {
            RefusalKind.SIGNATURE: "Bad signature",
            RefusalKind.REPLAYED: "Replayed request",
            RefusalKind.MALFORMED: "Malformed request",
            RefusalKind.TOO_LARGE: "Too large",
        }
        errors = () if place is None else (FieldError(detail, loc=place),)
        return ProblemError(hook.channel.refusal_status(kind), kind.value, titles[kind], detail, errors=errors)


async def _normalise(hook: Hook, inbound: InboundRequest, now_ms: int) -> Normalised:
    if len(inbound.body) < _THREAD_BYTES:
        return hook.channel.normalise(inbound, hook.account, now_ms)
    return await asyncio.to_thread(hook.channel.normalise, inbound, hook.account, now_ms)
