"""What the models' validation found, in the words of somebody who writes the file. Called by `load`.

A message never quotes more of the file than it must, and nothing of the library that validates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import ErrorDetails

from libs.common.configuration.models import NAMED_TAG, WEEK_TAG
from libs.common.configuration.places import Document, Step
from libs.common.configuration.problems import suggest
from libs.common.configuration.schema import known_keys

_KEY_MARK: Final = "[key]"
_MARKS: Final = (_KEY_MARK, WEEK_TAG, NAMED_TAG)

# What a pattern asks for, by its beginning; the patterns themselves stand in the models.
_PATTERNS: Final = {
    "^[A-Za-z0-9][A-Za-z0-9._-]": "may have letters, digits, '.', '_' and '-', and must begin with a letter or digit",
    "^[A-Za-z_]": "must be the name of an environment variable, such as TWILIO_AUTH_TOKEN",
    "^[a-z]{2,3}": "must be a language such as it or en",
    "^https?://": "must be a URL that begins with http:// or https://",
}

_FIXED: Final = {
    "missing": "is required",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


def place_of_detail(detail: ErrorDetails, document: Document) -> tuple[tuple[Step, ...], bool]:
    """The path that an error is about, and whether it is about the key there rather than the value."""
    path = tuple(step for step in detail["loc"] if step not in _MARKS)
    while path and isinstance(path[-1], int) and not document.has(path):
        path = path[:-1]  # A single value stands where a list of them may.
    return path, _KEY_MARK in detail["loc"] or detail["type"] in ("extra_forbidden", "missing")


def message_of_detail(detail: ErrorDetails, path: Sequence[Step], document: Document) -> str:
    """One sentence without its subject, which the path is: `must be 1 to 5`."""
    given = detail["input"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case kind if kind in _FIXED:
            return _FIXED[kind]
        case "extra_forbidden":
            return f"unknown key{suggest(str(path[-1]), known_keys(path[:-1]))}"
        case "string_type":
            return f"must be text{'; put it in quotes' if document.looks_like_text(path) else ''}"
        case "model_type" | "dict_type":
            return "must be a mapping; an empty one is {}" if given is None else "must be a mapping"
        case "enum" | "literal_error":
            known = [word.strip(" '") for word in str(context["expected"]).replace(" or ", ", ").split(",")]
            return f"must be one of {', '.join(known)}{suggest(str(given), known)}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "too_long":
            return f"must have at most {context['max_length']} entries"
        case "string_too_long":
            return f"must be at most {context['max_length']} characters"
        case "string_pattern_mismatch":
            pattern = str(context["pattern"])
            return next(
                (text for start, text in _PATTERNS.items() if pattern.startswith(start)), f"must match {pattern}"
            )
    return detail["msg"]
