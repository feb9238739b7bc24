"""Durations as fields of the configuration's models: texts such as `30s` in a file, milliseconds in code. Used by `models`."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from libs.common.configuration.durations import DURATION_PATTERN, parse_duration_ms

SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS


def check_duration(value: object, info: Any) -> object:
    """Milliseconds of a text; in a file nothing but a text is a duration."""
    if isinstance(value, str):
        try:
            return parse_duration_ms(value)
        except ValueError as error:
            raise PydanticCustomError("duration", str(error)) from error
    if info.context is not None and info.context.get("from_file"):
        raise PydanticCustomError("duration", "must be a duration such as 30s, 5m or 2h")
    return value


def _at_least_a_second(value: int) -> int:
    if value < SECOND_MS:
        raise PydanticCustomError("duration", "must be at least 1s")
    return value


def _nothing_or_a_minute(value: int) -> int:
    if 0 < value < MINUTE_MS:
        raise PydanticCustomError("duration", "must be at least 1m, or 0s for never")
    return value


DURATION_SCHEMA: Final = {"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s", "5m", "2h"]}
DurationMs = Annotated[int, BeforeValidator(check_duration), Field(ge=0), WithJsonSchema(DURATION_SCHEMA)]
LongerDurationMs = Annotated[
    int, BeforeValidator(check_duration), AfterValidator(_at_least_a_second), WithJsonSchema(DURATION_SCHEMA)
]
VanishMs = Annotated[
    int,
    BeforeValidator(check_duration),
    AfterValidator(_nothing_or_a_minute),
    Field(ge=0),
    WithJsonSchema(DURATION_SCHEMA),
]
