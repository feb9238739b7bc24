"""The one statement that the view writes rows with: insert many, and where a row is there already, change it.

The statement is prepared once and run for every row, which costs a fraction of one statement with thousands of parameters.
Called by `shelves` and `workset`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


async def merge_rows(
    connection: AsyncConnection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    change: Collection[str],
    add: bool = False,
) -> None:
    """Insert rows. Where one with this `key` exists, set the columns in `change` (none: leave it), or add to them (`add`)."""
    if rows:
        statement = _merging(connection.dialect.name, table, tuple(key), tuple(change), add)
        await connection.execute(statement, list(rows))


# There are about as many as tables; to put one together costs more than to run it for a few rows.
@cache
def _merging(
    dialect: str, table: sa.Table, key: tuple[str, ...], change: tuple[str, ...], add: bool
) -> sqlite.Insert | postgresql.Insert:
    insert: sqlite.Insert | postgresql.Insert
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    if not change:
        return insert.on_conflict_do_nothing(index_elements=list(key))
    new = {name: table.c[name] + insert.excluded[name] if add else insert.excluded[name] for name in change}
    return insert.on_conflict_do_update(index_elements=list(key), set_=new)
