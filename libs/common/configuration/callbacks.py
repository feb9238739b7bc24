"""How customers are called back, as it stands in the file under `callback` of a pool or a queue. Part of `models`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from libs.common.configuration.duration_types import MINUTE_MS, DurationMs

ATTEMPTS_MAX: Final = 20

_TEXTS: Final[dict[Literal["it", "en"], str]] = {
    "it": "Abbiamo preso nota della Sua richiesta: La richiameremo. Il Suo posto in coda resta.",
    "en": "We have noted your request and will call you back. You keep your place in the queue.",
}


def _at_least_a_minute(value: int) -> int:
    if value < MINUTE_MS:
        raise PydanticCustomError("duration", "must be at least 1m")
    return value


class Callbacks(BaseModel):
    """How often it is tried to reach a customer, after what pause again, and what the customer is told when it is scheduled."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    attempts: Annotated[int, Field(strict=True, ge=1, le=ATTEMPTS_MAX)] = 3
    retry_ms: Annotated[DurationMs, AfterValidator(_at_least_a_minute)] = Field(
        default=30 * MINUTE_MS, alias="retry_after"
    )
    text: dict[Literal["it", "en"], Annotated[str, StringConstraints(min_length=1, max_length=1000)]] = _TEXTS
