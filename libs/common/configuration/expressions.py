"""Conditions of rules in CEL, the Common Expression Language (https://cel.dev), run by its project's own library.

An expression is parsed and type-checked when the configuration is read, against the variables below; it cannot loop without an end,
reach outside, or change anything. Called by the models (checking) and by classification (asking).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional, ext_strings
from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

from libs.common.events.message import Message

EXPRESSION_CHARS_MAX: Final = 2_000
_COMPILED_MAX: Final = 2_000

_TEXTS: Final = cel.Type.List(cel.Type.STRING)

# What an expression may ask for: its type and what it is.
VARIABLES: Final[dict[str, tuple[cel.Type, str]]] = {
    "channel": (cel.Type.STRING, "`email`, `sms` ..."),
    "account": (cel.Type.STRING, "the account's name"),
    "subject": (cel.Type.STRING, "empty where there is none"),
    "text": (cel.Type.STRING, "what the customer wrote"),
    "language": (cel.Type.STRING, "`it`, `en-GB`; empty where it is not known"),
    "name": (cel.Type.STRING, "the customer's, empty where it is not known"),
    "handle": (cel.Type.STRING, "the address that was written from: `mailto:luca@example.com`, `tel:+39...`"),
    "handles": (_TEXTS, "every address of the customer that the message gives, that one included"),
    "to": (_TEXTS, "the addresses that it was sent to"),
    "attributes": (cel.Type.Map(cel.Type.STRING, cel.Type.STRING), "what a form or an integration gave"),
    "skills": (cel.Type.Map(cel.Type.STRING, cel.Type.INT), "the levels that an integration asks for"),
    "priority": (cel.Type.INT, "what an integration asks for, else 0"),
    "attachments": (cel.Type.INT, "how many files came with it"),
    "automatic": (cel.Type.BOOL, "whether a machine wrote it"),
    "received": (cel.Type.TIMESTAMP, 'when it came, as in `received.getHours("Europe/Rome") < 9`'),
}

# `INVALID_ARGUMENT: ERROR: <input>:1:10: found no matching overload ...`, and the line with a pointer under it.
_ERROR: Final = re.compile(r"<input>:(?P<line>\d+):(?P<column>\d+): (?P<message>[^\n]*)")

_BAD_PATTERN: Final = "invalid regular expression"
_NOTHING: Final = Message(id="", thread_id="", account="", channel="", provider_id="", handle="", received_ms=0)


class ExpressionFailedError(Exception):
    """An expression has no value for this message, as where it asks for an attribute that is not there."""


class Condition:
    """A checked expression that says yes or no to a message."""

    def __init__(self, text: str) -> None:
        """Raises ValueError with the place and the reason where the text is no condition."""
        try:
            self._program = _environment().compile(text)
        except RuntimeError as error:
            raise ValueError(_reason(str(error))) from None
        found = self._program.return_type()
        if found not in (cel.Type.BOOL, cel.Type.DYN):
            raise ValueError(f"must be true or false, and is of type {found.name().lower()}")
        # What regular expressions hold is looked at when they are used; most are at once.
        tried = str(self._program.eval(data=values_of(_NOTHING, (), {}, 0)))
        if _BAD_PATTERN in tried:
            raise ValueError(tried[tried.index(_BAD_PATTERN) :])

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true of these values of the VARIABLES. Raises ExpressionFailedError where it has no value."""
        value = self._program.eval(data=values)
        plain = value.plain_value() if value.type() == cel.Type.BOOL else None
        if not isinstance(plain, bool):
            raise ExpressionFailedError(value.type().name())
        return plain


@lru_cache(maxsize=_COMPILED_MAX)
def compile_condition(text: str) -> Condition:
    """The condition of this text, compiled once. Raises ValueError."""
    return Condition(text)


def values_of(message: Message, to: tuple[str, ...], skills: Mapping[str, int], priority: int) -> dict[str, Any]:
    """What a message gives to the VARIABLES."""
    return {
        "channel": message.channel,
        "account": message.account,
        "subject": message.subject or "",
        "text": message.text,
        "language": message.language or "",
        "name": message.name or "",
        "handle": message.handle,
        "handles": list(dict.fromkeys((message.handle, *message.handles))),
        "to": list(to),
        "attributes": message.attributes,
        "skills": dict(skills),
        "priority": priority,
        "attachments": len(message.attachments),
        "automatic": message.automatic,
        "received": datetime.datetime.fromtimestamp(message.received_ms / 1000, datetime.UTC),
    }


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    variables = {name: kind for name, (kind, _) in VARIABLES.items()}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings(), ext_optional.ExtOptional()])


def _reason(error: str) -> str:
    found = _ERROR.search(error)
    if found is None:
        return "is no expression that CEL understands"
    line = "" if found["line"] == "1" else f"line {found['line']}, "
    message = found["message"].removesuffix(" (in container '')")
    return f"at {line}character {found['column']}: {message}"


def _checked(text: str) -> str:
    try:
        compile_condition(text)
    except ValueError as error:
        raise PydanticCustomError("expression", "{reason}", {"reason": str(error)}) from error
    return text


Expression = Annotated[str, StringConstraints(min_length=1, max_length=EXPRESSION_CHARS_MAX), AfterValidator(_checked)]
