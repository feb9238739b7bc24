"""The rows that one batch works on: fetched before it in a few queries, changed in memory, written after it in a few statements.

A `Shelf` holds the rows of one table by key. The folding code may only ask for keys that were fetched before; asking for another
one is a bug and fails at once instead of silently treating the row as missing. Called by `view` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from libs.common.plain_sql import LIST_MAX, PlainSession
from services.agent_api.store.plain import PlainTable, asked_for, inserting

Row = TypeVar("Row")


class ShelfKind(Generic[Row]):
    """What shelves of one table have in common: `kind` is the row's dataclass, `key` the columns that identify it.

    Columns in `keep` are not touched where a row exists.
    """

    def __init__(
        self, table: sa.Table, kind: Callable[..., Row], key: tuple[str, ...], *, keep: frozenset[str] = frozenset()
    ) -> None:
        self.plain = PlainTable(table, kind)
        self.key = key
        self._columns = [table.c[name] for name in key]
        condition = f"{key[0]} IN ?" if len(key) == 1 else " AND ".join(f"{name} = ?" for name in key)
        self.select = f"{self.plain.select} WHERE {condition}"
        change = tuple(name for name in self.plain.names if name not in key and name not in keep)
        self.upsert = inserting(self.plain.name, self.plain.names, key, change)

    def asked(self, key: Any) -> list[Any]:
        """The parts of a key, as the table keeps them."""
        parts = key if len(self.key) > 1 else (key,)
        return [asked_for(column, part) for column, part in zip(self._columns, parts, strict=True)]


class Shelf(Generic[Row]):
    """The rows of one table that a batch works on."""

    def __init__(self, kind: ShelfKind[Row]) -> None:
        self._kind = kind
        self._rows: dict[Any, Row | None] = {}
        self._changed: dict[Any, None] = {}

    async def fetch(self, session: PlainSession, keys: Iterable[Any]) -> None:
        """Have the rows of these keys at hand. Keys of one column are plain values, of several columns tuples."""
        missing = sorted({key for key in keys if key not in self._rows})
        self._rows.update(dict.fromkeys(missing))
        if len(self._kind.key) > 1:
            for key in missing:
                self._add(await session.fetch(self._kind.select, *self._kind.asked(key)))
            return
        asked = [self._kind.asked(key)[0] for key in missing]
        for start in range(0, len(asked), LIST_MAX):
            self._add(await session.fetch_in(self._kind.select, asked[start : start + LIST_MAX]))

    async def fetch_where(self, session: PlainSession, condition: str, *values: Any) -> None:
        """Have every row that meets the condition at hand, as far as it is not here already."""
        self._add(await session.fetch(f"{self._kind.plain.select} WHERE {condition}", *values))

    def _add(self, found_rows: Iterable[Sequence[Any]]) -> None:
        for found in found_rows:
            row = self._kind.plain.row_of(found)
            key = self.key_of(row)
            if self._rows.get(key) is None:
                self._rows[key] = row

    def key_of(self, row: Row) -> Any:
        """The key of a row: a value, or a tuple of them."""
        parts = tuple(getattr(row, name) for name in self._kind.key)
        return parts[0] if len(parts) == 1 else parts

    def get(self, key: Any) -> Row | None:
        """The row, or None where the table has none. Only for keys that were fetched or put."""
        assert key in self._rows, f"{self._kind.plain.name}: the row was not fetched before the batch"
        return self._rows[key]

    def change(self, key: Any) -> Row:
        """The row, which is there and about to be changed."""
        row = self.get(key)
        assert row is not None, f"{self._kind.plain.name}: no such row"
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

    async def write(self, session: PlainSession) -> None:
        """Write what changed: one statement for many rows."""
        if not self._changed:
            return
        changed = (self._rows[key] for key in self._changed)
        values = [self._kind.plain.values_of(row) for row in changed if row is not None]
        await session.execute_many(self._kind.upsert, values)
        self._changed.clear()
