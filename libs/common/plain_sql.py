"""SQL as text, for the few statements that every record and every request needs: past SQLAlchemy, which costs several times what they do.

The same text serves both databases: `?` stands for a value, a list of keys is one value (`IN ?`). Everything else goes through SQLAlchemy.
It must not know any table. Sessions come from `store.StoreEngine`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any, Final, Protocol

import asyncpg

from libs.common.errors import StoreUnavailableError
from libs.common.sqlite_connection import DirectCursor

# SQLite has no lists as values. Statements for these numbers of keys are prepared; what is missing is filled up with the last key.
_LIST_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
LIST_MAX: Final = _LIST_SIZES[-1]
_ROWS_AT_ONCE_MAX: Final = 500


class PlainSession(Protocol):
    """Statements on one connection. Values are text, numbers and truth; SQLite gives truth back as 0 and 1."""

    async def fetch(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        """All rows."""
        ...

    async def fetch_in(self, sql: str, keys: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """All rows of a statement with one `IN ?` and no other value. At most LIST_MAX keys, at least one."""
        ...

    async def execute(self, sql: str, *values: Any) -> None:
        """Run a statement that gives nothing."""
        ...

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run it for every row."""
        ...


class SqlitePlain:
    """See `PlainSession`. `connection` is one of `sqlite_connection`, or the simulation's.

    What is asked for here is found by keys, so nothing is prepared for its taking long: it is asked of SQLite at once.
    """

    def __init__(self, connection: Any) -> None:
        self.connection: Final = connection
        self._cursor: Final = connection.cursor()
        self._at_once: Final[sqlite3.Cursor | None] = (
            self._cursor.at_once if isinstance(self._cursor, DirectCursor) else None
        )

    async def fetch(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        """See `PlainSession`."""
        return await self._fetch(_without_locks(sql), values)

    async def fetch_in(self, sql: str, keys: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """See `PlainSession`."""
        size = next(size for size in _LIST_SIZES if size >= len(keys))
        missing = (keys[-1],) * (size - len(keys))
        return await self._fetch(_with_list(sql, size), (*keys, *missing))

    async def execute(self, sql: str, *values: Any) -> None:
        """See `PlainSession`."""
        await self._cursor.execute(sql, values)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """See `PlainSession`."""
        if not rows:
            return
        if self._at_once is not None and len(rows) <= _ROWS_AT_ONCE_MAX:
            self._at_once.executemany(sql, rows)
        else:
            await self._cursor.executemany(sql, rows)

    async def _fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        if self._at_once is not None:
            try:
                return self._at_once.execute(sql, values).fetchall()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
        # Or with all the patience that it takes.
        await self._cursor.execute(sql, values)
        rows: list[Any] = await self._cursor.fetchall()
        return rows


class PostgresPlain:
    """See `PlainSession`. asyncpg keeps the statements prepared."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection: Final = connection

    async def fetch(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        """See `PlainSession`."""
        rows: list[Any] = await self._ask(lambda: self._connection.fetch(_numbered(sql), *values))
        return rows

    async def fetch_in(self, sql: str, keys: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """See `PlainSession`."""
        rows: list[Any] = await self._ask(lambda: self._connection.fetch(_numbered(sql), list(keys)))
        return rows

    async def execute(self, sql: str, *values: Any) -> None:
        """See `PlainSession`."""
        # Not `execute`, which runs several statements and takes no values.
        await self._ask(lambda: self._connection.fetch(_numbered(sql), *values))

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """See `PlainSession`."""
        if rows:
            await self._ask(lambda: self._connection.executemany(_numbered(sql), rows))

    async def _ask(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        with lost_connection(self._connection):
            return await ask()


@contextmanager
def lost_connection(connection: asyncpg.Connection) -> Iterator[None]:
    """Inside, what asyncpg says of a lost connection, in words alone, becomes StoreUnavailableError.

    Around a whole transaction, too: its end fails in that way, and hides what was said first.
    """
    try:
        yield
    except asyncpg.InterfaceError as error:
        if not connection.is_closed():
            raise
        raise StoreUnavailableError("the connection to the database is lost") from error
    except asyncpg.InternalClientError as error:
        # It was lost while the driver was at work on it, and is of no use any more.
        connection.terminate()
        raise StoreUnavailableError("the connection to the database is lost") from error


class SqliteSessions:
    """Connections to one file for plain sessions, apart from SQLAlchemy's: one that writes, and some that read."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], pragmas: Sequence[str]) -> None:
        self._connect: Final = connect
        self._pragmas: Final = pragmas
        self._writer: SqlitePlain | None = None
        self._readers: list[SqlitePlain] = []
        self._open: dict[SqlitePlain, None] = {}

    @asynccontextmanager
    async def write(self) -> AsyncIterator[PlainSession]:
        """A transaction that writes. Never two at once: the engine's turn sees to that."""
        session = self._writer or await self._open_one()
        self._writer = None
        try:
            await session.execute("BEGIN IMMEDIATE")
            yield session
            await session.connection.commit()
        except sqlite3.Error:
            # What a failed commit has left behind is not known; the next one begins on a new connection.
            await self._drop(session)
            raise
        except BaseException:
            await session.connection.rollback()
            self._writer = session
            raise
        self._writer = session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[PlainSession]:
        """Each statement by itself sees what is committed."""
        session = self._readers.pop() if self._readers else await self._open_one()
        try:
            yield session
        except sqlite3.Error:
            await self._drop(session)
            raise
        except BaseException:
            self._readers.append(session)
            raise
        self._readers.append(session)

    async def close(self) -> None:
        """Close what is open."""
        self._writer = None
        self._readers.clear()
        for session in list(self._open):
            await self._drop(session)

    async def _open_one(self) -> SqlitePlain:
        session = SqlitePlain(await self._connect())
        self._open[session] = None
        try:
            for pragma in self._pragmas:
                await session.execute(f"PRAGMA {pragma}")
        except BaseException:
            await self._drop(session)
            raise
        return session

    async def _drop(self, session: SqlitePlain) -> None:
        self._open.pop(session, None)
        # Closing rolls back. It must not be cut short, or the lock would stay.
        await asyncio.shield(session.connection.close())


@cache
def _numbered(sql: str) -> str:
    """`?` as PostgreSQL has them: $1, $2 ..., and a list as an array."""
    first, *rest = sql.split("?")
    parts = [first]
    for number, part in enumerate(rest, 1):
        if parts[-1].endswith("IN "):
            parts[-1] = parts[-1].removesuffix("IN ")
            parts.append(f"= ANY(${number}){part}")
        else:
            parts.append(f"${number}{part}")
    return "".join(parts)


@cache
def _with_list(sql: str, size: int) -> str:
    return sql.replace("IN ?", f"IN ({','.join('?' * size)})")


@cache
def _without_locks(sql: str) -> str:
    # SQLite's transaction that writes is the lock.
    return sql.partition(" FOR UPDATE")[0]
