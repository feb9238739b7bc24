"""docs/events.md and docs/asyncapi-streams.yaml, made from the event types themselves.

    python -m libs.common.events.document            # writes both
    python -m libs.common.events.document --check    # exit code 1 where a file is not as it would be written

A test makes the same comparison, so that neither can be stale. Reads no event and no setting.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from libs.common.events.catalogue import HEADER_NOTES, STREAM_NOTES, UNTYPED_NOTES, event_types, type_name
from libs.common.log.streams import stream_specs

DOCS: Final = Path(__file__).parents[3] / "docs"
_REFERENCE: Final = "#/components/schemas/{name}"
_COMMAND: Final = "python -m libs.common.events.document"


def render_markdown() -> str:
    """The text of docs/events.md."""
    parts = [_introduction(), _overview(), _headers()]
    shared: dict[str, dict[str, Any]] = {}
    for stream, note in STREAM_NOTES.items():
        parts.append(
            f"## `{stream}`\n\n{note.what} Written by {note.writers}; read by {note.readers}. Key: {note.key}."
        )
        schemas = _schemas(event_types(stream))
        parts += [_event(type_name(kind), schemas.pop(kind.__name__)) for kind in event_types(stream)]
        shared |= schemas
    parts.append("## Parts of events")
    parts += [f"### {name}\n\n{_body(schema)}" for name, schema in shared.items()]
    return "\n\n".join(parts) + "\n"


def asyncapi_document() -> dict[str, Any]:
    """The AsyncAPI 3 document of the typed streams, as plain data."""
    schemas: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for stream, note in STREAM_NOTES.items():
        kinds = event_types(stream)
        schemas |= _schemas(kinds)
        for kind in kinds:
            messages[type_name(kind)] = {
                "summary": inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " "),
                "contentType": "application/json",
                "headers": {"$ref": "#/components/schemas/Headers"},
                "payload": {"$ref": _REFERENCE.format(name=kind.__name__)},
            }
        names = [type_name(kind) for kind in kinds]
        channels[stream] = {
            "address": stream,
            "description": f"{note.what} Written by {note.writers}; read by {note.readers}.",
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            "bindings": {"kafka": {"key": {"type": "string", "description": note.key}, "bindingVersion": "0.5.0"}},
        }
        operations[f"read.{stream}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{stream}"},
            "summary": f"Read by {note.readers}.",
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Centralino event streams",
            "version": "1",
            "description": "The streams of the event log as they stand on Kafka. Each record is a CloudEvent 1.0 in binary mode. "
            f"Made by `{_COMMAND}`; the agents' WebSocket is in asyncapi.yaml.",
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": "localhost:9092", "protocol": "kafka"}},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": {"Headers": _headers_schema(), **schemas}},
    }


def render_asyncapi() -> str:
    """The text of docs/asyncapi-streams.yaml."""
    # Through JSON, so that equal parts are written out instead of becoming YAML's anchors.
    plain = json.loads(json.dumps(asyncapi_document()))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=140)
    return f"# Made by `{_COMMAND}`; do not change it by hand.\n{text}"


def documents() -> dict[Path, str]:
    """Every document made here: its path and its text."""
    return {DOCS / "events.md": render_markdown(), DOCS / "asyncapi-streams.yaml": render_asyncapi()}


def _schemas(kinds: Sequence[Any]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    for schema in components.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return components


def _introduction() -> str:
    return (
        f"<!-- Made by `{_COMMAND}`; do not change it by hand. -->\n"
        "# The events\n\n"
        "Everything that happens stands on the event log. Each record is a CloudEvent 1.0 in Kafka's binary mode: the envelope in the\n"
        "headers, the event as JSON in the value. Names that end in `_ms` are milliseconds, times since 1970 in UTC. Fields that have\n"
        "their default are left out. Unknown fields are ignored by readers, an unknown type is a dead letter; a change that an older\n"
        "reader could not bear gets a new type (`.v2`).\n\n"
        "The same as an AsyncAPI 3 document with JSON Schemas: [asyncapi-streams.yaml](asyncapi-streams.yaml). What the streams are for\n"
        "is told in [architecture.md](architecture.md)."
    )


def _overview() -> str:
    specs = stream_specs(partitions=1)
    lines = ["## The streams", "", "| stream | key | written by | read by | what |", "| --- | --- | --- | --- | --- |"]
    for stream, note in (STREAM_NOTES | UNTYPED_NOTES).items():
        kept = " Compacted." if specs[stream].compacted and "ompacted" not in note.what else ""
        lines.append(f"| `{stream}` | {note.key} | {note.writers} | {note.readers} | {note.what}{kept} |")
    return "\n".join(lines)


def _headers() -> str:
    lines = ["## The headers", "", "| header | always | what |", "| --- | --- | --- |"]
    lines += [f"| `{note.name}` | {'yes' if note.required else ''} | {note.what} |" for note in HEADER_NOTES]
    return "\n".join(lines)


def _headers_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": [note.name for note in HEADER_NOTES if note.required],
        "properties": {note.name: {"type": "string", "description": note.what} for note in HEADER_NOTES},
    }


def _event(name: str, schema: Mapping[str, Any]) -> str:
    return f"### `{name}`\n\n{_body(schema)}"


def _body(schema: Mapping[str, Any]) -> str:
    lines = [schema.get("description", ""), "", "| field | type | |", "| --- | --- | --- |"]
    for name, field in schema["properties"].items():
        if name == "type" and "enum" in field:
            continue
        note = "required" if name in schema["required"] else f"default `{json.dumps(field.get('default'))}`"
        lines.append(f"| `{name}` | {_type(field)} | {note} |")
    return "\n".join(lines)


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = str(field["$ref"]).rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        if "prefixItems" in field:
            return f"[{', '.join(_type(item) for item in field['prefixItems'])}]"
        return f"list of {_type(field['items'])}"
    if field.get("type") == "object":
        return f"object of {_type(field['additionalProperties'])}"
    return str(field["type"])


def main(arguments: Sequence[str]) -> int:
    """Write the documents, or with `--check` compare them; the exit code."""
    stale = [
        path for path, text in documents().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if list(arguments) == ["--check"]:
        for path in stale:
            sys.stderr.write(f"{path.name} is not current: run {_COMMAND}\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(documents()[path], encoding="utf-8")
        sys.stdout.write(f"{path.name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
