"""The JSON Schema of `centralino.yaml` as a user writes it, and what it knows of the keys at a path.

Editors use the schema for completion, `load` for the suggestions in its messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from libs.common.configuration.models import Configuration


def configuration_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12): keys as in the file, durations as texts."""
    schema = Configuration.model_json_schema(by_alias=True)
    # The account's name is its key, no field that a user writes.
    del schema["$defs"]["Account"]["properties"]["name"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "centralino.yaml"}


@cache
def _schema() -> dict[str, Any]:
    return configuration_schema()


def known_keys(path: Sequence[str | int]) -> tuple[str, ...]:
    """The keys that may stand in the mapping at `path`; empty where any may, or where nothing is known of the path."""
    here = _resolve(_schema())
    for step in path:
        if isinstance(step, int):
            here = _resolve(here.get("items", {}))
        else:
            below = [here.get("additionalProperties"), *here.get("patternProperties", {}).values()]
            here = _resolve(here.get("properties", {}).get(step) or next(filter(None, below), {}))
    return tuple(here.get("properties", {}))


def _resolve(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {}
    if "$ref" in schema:
        return _resolve(_schema()["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolve(choice)
    return schema
