"""Errors as every HTTP edge shows them: RFC 9457 problem documents, whatever was raised.

A refusal is told to its caller with its reason; an outage is a 503 with `Retry-After`; a bug is a 500 that says nothing about
its inside. What the caller sent is never repeated. Called by routes (`raise ProblemError(...)`) and by every service's `create_app`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from libs.common.errors import OutageError, RefusedError
from libs.common.logging import get_logger

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:centralino:problem:"
RETRY_AFTER_S: Final = 2


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: `pointer` is a JSON pointer into the body (`/skills/orders`), `loc` a place outside of it
    (`query.limit`, `header.Idempotency-Key`, `path.id`).
    """

    message: str
    pointer: str | None = None
    loc: str | None = None

    def document(self) -> dict[str, str]:
        """As it stands in `errors`: {pointer or loc, detail}."""
        place = {"pointer": f"#{self.pointer}"} if self.pointer is not None else {"loc": self.loc or "request"}
        return {**place, "detail": self.message}


class ProblemError(Exception):
    """An answer to the caller that is no success. `type` is the short word (`offer-expired`) that programs can rely on.

    `title` is the same for every problem of a type, `detail` is about this one; `extra` are further members of the document.
    """

    def __init__(
        self,
        status: int,
        type: str,  # noqa: A002 - the member's name in RFC 9457
        title: str | None = None,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{status} {type}")
        self.status = status
        self.type = type
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def document(self) -> dict[str, Any]:
        """The problem's members."""
        document: dict[str, Any] = {
            **self.extra,
            "type": f"{TYPE_PREFIX}{self.type}",
            "title": self.title,
            "status": self.status,
        }
        if self.detail is not None:
            document["detail"] = self.detail
        if self.errors:
            document["errors"] = [error.document() for error in self.errors]
        return document


def problem_response(problem: ProblemError) -> Response:
    """The answer that shows this problem."""
    return Response(
        msgspec.json.encode(problem.document()),
        status_code=problem.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=problem.headers,
    )


def unavailable_problem(detail: str, *, retry_after_s: int = RETRY_AFTER_S) -> ProblemError:
    """503 with `Retry-After`: the same request may well succeed later."""
    return ProblemError(503, "unavailable", "Unavailable", detail, headers={"Retry-After": str(retry_after_s)})


def internal_problem() -> ProblemError:
    """500, for a bug; the log has the rest under the correlation id."""
    return ProblemError(
        500, "internal-error", "Internal error", "Something went wrong here; the correlation id finds it in the logs."
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of this app's routes a problem document."""
    app.add_exception_handler(ProblemError, _handle_problem)
    app.add_exception_handler(RequestValidationError, _handle_invalid)
    app.add_exception_handler(HTTPException, _handle_http)
    app.add_exception_handler(RefusedError, _handle_refused)
    app.add_exception_handler(OutageError, _handle_outage)


async def _handle_problem(_connection: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error)


async def _handle_refused(_connection: HTTPConnection, error: Exception) -> Response:
    return problem_response(ProblemError(422, "refused", "Refused", str(error)))


async def _handle_outage(connection: HTTPConnection, error: Exception) -> Response:
    get_logger(__name__).warning("request met an outage", path=_route_path(connection), outage=type(error).__name__)
    return problem_response(unavailable_problem((type(error).__doc__ or "").strip().split("\n")[0]))


async def _handle_http(connection: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in {204, 304}:
        return Response(status_code=error.status_code, headers=error.headers)
    if error.status_code == 400:
        return problem_response(malformed_problem(error.detail))
    phrase = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail != phrase else None
    problem = ProblemError(
        error.status_code, phrase.lower().replace(" ", "-"), phrase, detail, headers=error.headers or {}
    )
    return problem_response(problem)


async def _handle_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    broken = next((fault for fault in faults if fault["type"] == "json_invalid"), None)
    errors = tuple(_field_error(fault) for fault in faults)
    if broken is not None:
        place = _place_in(error.body, broken["loc"][-1])
        return problem_response(malformed_problem(f"The body is not valid JSON{place}.", errors=errors))
    return problem_response(
        ProblemError(422, "invalid", "Invalid request", "Some fields are not as they must be.", errors=errors)
    )


def _place_in(document: object, position: object) -> str:
    """Where in a document this character stands, in words; empty where that is not known."""
    if not isinstance(document, str) or not isinstance(position, int):
        return ""
    line_begin = document.rfind("\n", 0, position) + 1
    return f" (line {document.count(chr(10), 0, position) + 1}, column {position - line_begin + 1})"


def malformed_problem(detail: str, *, errors: Sequence[FieldError] = ()) -> ProblemError:
    """400: the request cannot even be read."""
    return ProblemError(400, "malformed", "Malformed request", detail, errors=errors)


def _field_error(fault: Mapping[str, Any]) -> FieldError:
    # Only the message is taken over: `input` and `ctx` repeat what the caller sent.
    place = fault["loc"]
    message = str(fault["msg"])
    if place and place[0] == "body":
        rest = () if fault["type"] == "json_invalid" else place[1:]
        return FieldError(message, pointer="".join(f"/{_escape(part)}" for part in rest))
    return FieldError(message, loc=".".join(map(str, place)))


def _escape(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _route_path(connection: HTTPConnection) -> str:
    return str(getattr(connection.scope.get("route"), "path", ""))
