"""The view's tables in plain SQL: statements made once from the table and its row's dataclass, and how values go in and come out.

What SQLAlchemy's types do to values is done here too, because plain sessions know nothing of them. It must not decide what is read or
written. Called by `shelves`, `workset`, `lookups` and `view`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from services.agent_api.store.tables import CleanText, JsonText, clean_text

Row = TypeVar("Row")
_encode_json: Final = msgspec.json.Encoder().encode
_decode_json: Final = msgspec.json.Decoder().decode


class PlainTable(Generic[Row]):
    """The columns of a table that are the fields of `kind`, in their order."""

    def __init__(self, table: sa.Table, kind: Callable[..., Row]) -> None:
        self.name: Final[str] = table.name
        self._kind: Final = kind
        self.names: Final = tuple(item.name for item in fields(kind))  # type: ignore[arg-type]  # always a dataclass
        columns = [table.c[name] for name in self.names]
        self._get: Final = attrgetter(*self.names)
        self._encoders: Final = tuple(
            (place, encode) for place, column in enumerate(columns) if (encode := _encoder_of(column)) is not None
        )
        self._decoders: Final = tuple(
            (place, decode) for place, column in enumerate(columns) if (decode := _decoder_of(column)) is not None
        )
        self.select: Final = f"SELECT {_listed(self.names)} FROM {self.name}"  # noqa: S608  # names of our own

    def row_of(self, values: Sequence[Any]) -> Row:
        """The row of what a `select` gave."""
        given = list(values)
        for place, decode in self._decoders:
            given[place] = decode(given[place])
        return self._kind(**dict(zip(self.names, given, strict=True)))

    def values_of(self, row: Row) -> list[Any]:
        """A row's values as the database keeps them."""
        values = list(self._get(row))
        for place, encode in self._encoders:
            values[place] = encode(values[place])
        return values


def asked_for(column: sa.Column[Any], value: Any) -> Any:
    """A value that a statement looks for, as the column would keep it."""
    encode = _encoder_of(column)
    return value if encode is None else encode(value)


@cache
def inserting(table: str, names: tuple[str, ...], key: tuple[str, ...] = (), change: tuple[str, ...] = ()) -> str:
    """INSERT of these columns; where a row with this `key` exists, set the columns in `change` (none: leave it)."""
    statement = f"INSERT INTO {table} ({_listed(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608  # names of our own
    if not key:
        return statement
    if not change:
        return f"{statement} ON CONFLICT ({_listed(key)}) DO NOTHING"
    settings = ", ".join(f'"{name}" = excluded."{name}"' for name in change)
    return f"{statement} ON CONFLICT ({_listed(key)}) DO UPDATE SET {settings}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _encoder_of(column: sa.Column[Any]) -> Callable[[Any], Any] | None:
    kind = column.type
    if isinstance(kind, JsonText):
        return _json_text
    if isinstance(kind, CleanText):
        return _clean_to(kind.chars_max)
    return None


def _decoder_of(column: sa.Column[Any]) -> Callable[[Any], Any] | None:
    if isinstance(column.type, JsonText):
        return _json_value
    return bool if isinstance(column.type, sa.Boolean) else None


@cache
def _clean_to(chars_max: int | None) -> Callable[[str | None], str | None]:
    return lambda value: clean_text(value, chars_max)


def _json_text(value: object) -> str | None:
    return None if value is None else _encode_json(value).decode()


def _json_value(text: str | None) -> Any:
    return None if text is None else _decode_json(text)
