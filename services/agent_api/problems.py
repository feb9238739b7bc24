"""How problems look in the OpenAPI document: which statuses a route may answer with besides its own."""

from __future__ import annotations

from typing import Any, Final

from services.agent_api.models import CommandAccepted, Problem

_REFERENCE: Final = "#/components/schemas/{model}"


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=Problem.__name__)}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def describe_problems(openapi: dict[str, Any]) -> dict[str, Any]:
    """The document with the schema that the routes' problems refer to; FastAPI knows of models for JSON answers alone."""
    schema = Problem.model_json_schema(ref_template=_REFERENCE)
    schemas = openapi.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(schema.pop("$defs", {}))
    schemas[Problem.__name__] = schema
    return openapi


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: _problem("The request cannot be read."),
    401: _problem("No good bearer token."),
    403: _problem("Not for this role."),
    404: _problem("There is no such thing, or it is not for the caller."),
    413: _problem("The body is too large."),
    422: _problem("Some fields are not as they must be, or an Idempotency-Key was used for another request."),
    503: _problem("The log or the store does not answer; see Retry-After."),
}

COMMANDED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": CommandAccepted, "description": "The router has not answered yet."},
    409: _problem("The router refused; `type` ends in its reason."),
}
