"""Limits on what comes in: the size of a body, and text that no later part could keep (NUL, broken UTF-8, lone surrogates).

A database refuses a NUL in a text and no encoder takes half of a surrogate pair; found here, they are a clean 400 for whoever sent
them, instead of an error deep inside. Called by routes that read their own body (webhooks), and by `BodyLimitMiddleware` for the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.http.problem import FieldError, ProblemError, malformed_problem, problem_response

DEFAULT_BODY_BYTES_MAX: Final = 1_048_576
JSON_DEPTH_MAX: Final = 64

# Bodies without these escapes hold neither a NUL nor a surrogate (UTF-8 itself cannot spell one), and most bodies have none.
_SUSPICIOUS_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The request's whole body. Raises ProblemError 413 as soon as it is known to be longer than `limit_bytes`."""
    _check_announced(request.headers.get("content-length"), limit_bytes)
    chunks: list[bytes] = []
    size_bytes = 0
    async for chunk in request.stream():
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            raise too_large_problem(limit_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def parse_json(body: bytes) -> Any:
    """The JSON document in `body`, in strict UTF-8. Raises ProblemError 400, with places, for what cannot be read or kept."""
    text = decode_text(body)
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise malformed_problem("The JSON is nested too deeply.") from error
    except ValueError as error:
        place = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "a number"
        raise malformed_problem(f"The body is not valid JSON ({place}).") from error
    if _SUSPICIOUS_ESCAPE.search(body):
        check_storable(document)
    return document


def decode_text(body: bytes) -> str:
    """`body` as text. Raises ProblemError 400 when it is not UTF-8 or holds a NUL."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed_problem(f"The body is not valid UTF-8 (byte {error.start}).") from error
    if "\x00" in text:
        raise malformed_problem("The body holds a NUL character.")
    return text


def check_storable(document: Any) -> None:
    """Raises ProblemError 400, with the places, when a string of this JSON document holds a NUL or half of a surrogate pair."""
    errors = [
        FieldError("This text holds a NUL character or half of a surrogate pair.", pointer=pointer)
        for pointer, text in _strings(document, "", 0)
        if _UNSTORABLE.search(text)
    ]
    if errors:
        raise malformed_problem("Some text holds characters that cannot be kept.", errors=errors[:20])


def too_large_problem(limit_bytes: int) -> ProblemError:
    """413, with the limit."""
    # The connection stays open, and the server throws the rest of the body away: closing it while the sender still sends would
    # reset the connection, and the sender would see that instead of this answer.
    return ProblemError(413, "too-large", "Too large", f"The body may have at most {limit_bytes} bytes.")


class BodyLimitMiddleware:
    """Pure ASGI: reads each request's body, bounded and checked, before the route sees it.

    Paths that begin with one of `own_limit_prefixes` read their own bodies (`read_body`), because their limit depends on the account
    and because what a provider sends is taken as it is.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit_bytes: int = DEFAULT_BODY_BYTES_MAX,
        own_limit_prefixes: tuple[str, ...] = (),
    ) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.own_limit_prefixes = own_limit_prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or answer 400 or 413."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            _check_address(scope)
            if not scope["path"].startswith(self.own_limit_prefixes) and _has_body(scope):
                receive = await self._checked_body(scope, receive)
        except ProblemError as problem:
            await problem_response(problem)(scope, receive, send)
            return
        except ClientDisconnect:
            return
        await self.app(scope, receive, send)

    async def _checked_body(self, scope: Scope, receive: Receive) -> Receive:
        body = await read_body(Request(scope, receive), self.limit_bytes)
        content_type = _header(scope, b"content-type").partition(b";")[0].strip().lower()
        if content_type == b"application/x-www-form-urlencoded":
            if b"%00" in body or b"\x00" in body:
                raise malformed_problem("The form holds a NUL character.")
        elif content_type.endswith((b"/json", b"+json")):
            decode_text(body)
            if _SUSPICIOUS_ESCAPE.search(body):
                parse_json(body)
        return _replay(body, receive)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _check_address(scope: Scope) -> None:
    if b"%00" in scope["query_string"] or "\x00" in scope["path"]:
        raise malformed_problem("The address holds a NUL character.")


def _has_body(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return b"content-length" in names or b"transfer-encoding" in names


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


def _check_announced(content_length: str | None, limit_bytes: int) -> None:
    digits = (content_length or "").lstrip("0")
    # More digits than the limit has are more bytes; converting a number of any length is not free.
    if len(digits) > len(str(limit_bytes)) or (digits.isdecimal() and int(digits) > limit_bytes):
        raise too_large_problem(limit_bytes)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _strings(value: Any, pointer: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > JSON_DEPTH_MAX:
        raise malformed_problem("The JSON is nested too deeply.")
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for index, (key, item) in enumerate(value.items()):
            yield f"{pointer}/(name {index})", key
            place = f"(name {index})" if _UNSTORABLE.search(key) else key.replace("~", "~0").replace("/", "~1")
            yield from _strings(item, f"{pointer}/{place}", depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{pointer}/{index}", depth + 1)
