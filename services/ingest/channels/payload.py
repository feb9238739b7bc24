"""Reading JSON that may be anything: a value of the wrong type is a value that is not there.

Pure. The adapters read providers' JSON through here, so that no field of an unexpected type can raise in the middle of a request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.ingest.channels.port import MalformedError

JsonObject = Mapping[str, Any]

_INTEGER_MAX: Final = 2**53  # Beyond it, numbers are not the same in every reader of JSON.


def parse_object(body: bytes, place: str = "body") -> JsonObject:
    """The JSON object in the bytes. Raises MalformedError with the place."""
    try:
        value = json.loads(body)
    except UnicodeDecodeError as error:
        raise MalformedError(place, f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise MalformedError(place, f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise MalformedError(place, "not JSON: a number too long or brackets too deep") from error
    if not isinstance(value, dict):
        raise MalformedError(place, "not a JSON object")
    return value


def text_of(fields: JsonObject, name: str) -> str | None:
    """The field as text, numbers included; None where it is missing, empty or no text."""
    value = fields.get(name)
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _INTEGER_MAX:
        return str(value)
    return None


def integer_of(fields: JsonObject, name: str) -> int | None:
    """The field as a whole number, also where it stands in quotes; None where it is none."""
    value = fields.get(name)
    if isinstance(value, str) and value.isascii() and len(value) <= 20:
        try:
            value = int(value)
        except ValueError:
            return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _INTEGER_MAX:
        return value
    return None


def number_of(fields: JsonObject, name: str) -> float | None:
    """The field as a finite number; None where it is none."""
    value = fields.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _INTEGER_MAX:
        return float(value)
    return None


def object_of(fields: JsonObject, name: str) -> JsonObject | None:
    """The field as an object; None where it is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else None


def objects_of(fields: JsonObject, name: str) -> Iterator[tuple[int, JsonObject]]:
    """The objects in the field's list with their places; what is no object is left out."""
    value = fields.get(name)
    for place, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield place, item
