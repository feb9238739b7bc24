"""The rows that one batch works on: fetched before it in a few queries, changed in memory, written after it in a few statements.

A `Shelf` holds the rows of one table by key. The folding code may only ask for keys that were fetched before; asking for another
one is a bug and fails at once instead of silently treating the row as missing. Called by `view` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import cache
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.agent_api.store.statements import merge_rows

Row = TypeVar("Row")

# Databases limit the parameters of one statement (SQLite: 32,766; older ones 999).
KEYS_PER_QUERY = 400


@cache
def _selecting(table: sa.Table, names: tuple[str, ...], key: str) -> sa.Select[Any]:
    """The rows of some `keys`. Put together once for each table: that costs more than to run it for a few keys."""
    keys: sa.BindParameter[Any] = sa.bindparam("keys", expanding=True)
    return sa.select(*(table.c[name] for name in names)).where(table.c[key].in_(keys))


class Shelf(Generic[Row]):
    """The rows of one table that a batch works on. `kind` is the row's dataclass, `key` the columns that identify it."""

    def __init__(self, table: sa.Table, kind: Callable[..., Row], key: tuple[str, ...]) -> None:
        self._table = table
        self._kind = kind
        self._key = key
        self._names: tuple[str, ...] = tuple(item.name for item in fields(kind))  # type: ignore[arg-type]  # always a dataclass
        self._rows: dict[Any, Row | None] = {}
        self._changed: dict[Any, None] = {}

    async def fetch(self, connection: AsyncConnection, keys: Iterable[Any]) -> None:
        """Have the rows of these keys at hand. Keys of one column are plain values, of several columns tuples."""
        missing = sorted({key for key in keys if key not in self._rows})
        columns = [self._table.c[name] for name in self._key]
        for start in range(0, len(missing), KEYS_PER_QUERY):
            chunk = missing[start : start + KEYS_PER_QUERY]
            self._rows.update(dict.fromkeys(chunk))
            if len(columns) == 1:
                self._add(await connection.execute(_selecting(self._table, self._names, self._key[0]), {"keys": chunk}))
                continue
            where = sa.or_(
                *(sa.and_(*(column == part for column, part in zip(columns, key, strict=True))) for key in chunk)
            )
            await self.fetch_where(connection, where)

    async def fetch_where(self, connection: AsyncConnection, where: sa.ColumnElement[bool]) -> None:
        """Have every row that meets the condition at hand, as far as it is not here already."""
        self._add(await connection.execute(sa.select(*(self._table.c[name] for name in self._names)).where(where)))

    def _add(self, found_rows: Iterable[sa.Row[Any]]) -> None:
        for found in found_rows:
            row = self._kind(**dict(zip(self._names, found, strict=True)))
            key = self.key_of(row)
            if self._rows.get(key) is None:
                self._rows[key] = row

    def key_of(self, row: Row) -> Any:
        """The key of a row: a value, or a tuple of them."""
        parts = tuple(getattr(row, name) for name in self._key)
        return parts[0] if len(parts) == 1 else parts

    def get(self, key: Any) -> Row | None:
        """The row, or None where the table has none. Only for keys that were fetched or put."""
        assert key in self._rows, f"{self._table.name}: the row was not fetched before the batch"
        return self._rows[key]

    def change(self, key: Any) -> Row:
        """The row, which is there and about to be changed."""
        row = self.get(key)
        assert row is not None, f"{self._table.name}: no such row"
        self._changed[key] = None
        return row

    def put(self, row: Row) -> Row:
        """A new row, or a new state of one."""
        key = self.key_of(row)
        self._rows[key] = row
        self._changed[key] = None
        return row

    def present(self) -> Iterator[Row]:
        """Every row at hand that exists."""
        return (row for row in self._rows.values() if row is not None)

    async def write(self, connection: AsyncConnection, *, keep: frozenset[str] = frozenset()) -> None:
        """Write what changed: one statement for many rows. Columns in `keep` are not touched where the row exists."""
        if not self._changed:
            return
        changed = (self._rows[key] for key in self._changed)
        values = [{name: getattr(row, name) for name in self._names} for row in changed if row is not None]
        update = [name for name in self._names if name not in self._key and name not in keep]
        await merge_rows(connection, self._table, values, key=self._key, change=update)
        self._changed.clear()
