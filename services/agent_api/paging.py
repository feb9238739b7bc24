"""Cursors of lists: where a page ended, so that the next one goes on there whatever was added meanwhile.

A cursor is opaque to callers: the sort key of the page's last row. Called by the routes with lists.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from fastapi import Query

from libs.common.http.problem import FieldError, ProblemError

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 200

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many items at most.")]
Cursor = Annotated[str | None, Query(max_length=1_000, description="`next_cursor` of the page before.")]

Item = TypeVar("Item")


def encode_cursor(*key: int | str) -> str:
    """The cursor of a row with this sort key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str | None, kinds: tuple[type, ...]) -> list[Any] | None:
    """The sort key in a cursor, None without one. Raises ProblemError 422 for what is no cursor of this list."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=tuple[kinds])  # type: ignore[valid-type]  # built at run time
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        place = FieldError("not a cursor of this list", loc="query.cursor")
        raise ProblemError(422, "cursor-invalid", "Invalid cursor", errors=(place,)) from error
    numbers = [part for part in key if isinstance(part, int)]
    if any(abs(number) >= 2**63 for number in numbers):
        place = FieldError("not a cursor of this list", loc="query.cursor")
        raise ProblemError(422, "cursor-invalid", "Invalid cursor", errors=(place,))
    return list(key)


def page(
    rows: Sequence[Item], limit: int, show: Callable[[Item], Any], key: Callable[[Item], tuple[int | str, ...]]
) -> dict[str, Any]:
    """A page of rows, of which one more than `limit` was read to know whether there is a next page."""
    shown = rows[:limit]
    following = encode_cursor(*key(shown[-1])) if len(rows) > limit else None
    return {"items": [show(row) for row in shown], "next_cursor": following}
