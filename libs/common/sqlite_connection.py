"""SQLite's connection as SQLAlchemy's asyncio engine wants it, without a way to a thread and back for each step of each statement.

A statement on a local file takes some ten microseconds, less than that way. So it runs in the event loop, unless it may have to
wait: for the disk (COMMIT, what deletes or changes the schema), for another process's lock, or for a query that looks at very many rows.
Those go to a thread, one at a time for each connection. The names are aiosqlite's, as far as SQLAlchemy uses them. `store` opens it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

_STEPS_IN_LOOP: Final = 50_000  # Of SQLite's virtual machine: about a millisecond.
_BUSY_PAUSE_S: Final = 0.001
_CACHED_STATEMENTS: Final = 512
# These find what they change by a key, and the disk sees it when the transaction is committed.
_CHANGES_IN_LOOP: Final = ("INSERT", "UPDATE", "BEGIN", "ROLLBACK")
# Not WITH: what comes after it may change something, and one that is cut off would take the whole transaction with it.
_QUERIES: Final = "SELECT"


async def open_connection(path: str, *, busy_ms: int) -> DirectConnection:
    """A connection to the file, whose folder is made. Who finds it locked waits `busy_ms` at most.

    Raises sqlite3.OperationalError and OSError.
    """
    return DirectConnection(await asyncio.to_thread(_connect, Path(path)), busy_ms=busy_ms)


class DirectConnection:
    """See the module. Used by one task at a time, as SQLAlchemy's pool hands it out. `busy_ms` may be changed at any time."""

    def __init__(self, connection: sqlite3.Connection, *, busy_ms: int) -> None:
        self._conn: Final = connection
        self.busy_ms = busy_ms
        self._tx: Final = _AtOnce()
        self._closed = False
        self._working: asyncio.Future[Any] | None = None

    @property
    def _connection(self) -> sqlite3.Connection | None:
        # By this SQLAlchemy knows whether it is open.
        return None if self._closed else self._conn

    def cursor(self) -> DirectCursor:
        """A cursor."""
        return DirectCursor(self, self._open().cursor())

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        """A function for statements."""
        self._conn.create_function(*arguments, **options)

    async def commit(self) -> None:
        """Bring the transaction to the disk."""
        await self.settle()
        if self._open().in_transaction:
            await self._in_thread(self._conn.commit)

    async def rollback(self) -> None:
        """Forget the transaction."""
        await self.settle()
        if self._open().in_transaction:
            self._conn.rollback()

    async def close(self) -> None:
        """Close it; what was not committed is forgotten."""
        await self.settle()
        if not self._closed:
            self._closed = True
            # The last one that closes brings the whole write-ahead log into the file.
            await asyncio.to_thread(self._end)

    def stop(self) -> None:
        """Close it from where nothing can be awaited."""
        if self._closed:
            return
        self._closed = True
        if self._working is None or self._working.done():
            self._end()
        else:
            self._working.add_done_callback(lambda _: self._end())

    def _end(self) -> None:
        # Closed with a cursor still on it, it would stay behind with its transaction and its lock until the cursor is collected.
        with contextlib.suppress(sqlite3.Error):  # A failing disk may refuse even that.
            self._conn.rollback()
        self._conn.close()

    async def run(self, statement: str, work: Callable[[], Any]) -> Any:
        """Do the work of a statement: here, or in a thread."""
        await self.settle()
        connection = self._open()
        kind = statement.lstrip()[:8].upper()
        if kind.startswith(_QUERIES):
            connection.set_progress_handler(_interrupt, _STEPS_IN_LOOP)
        elif not kind.startswith(_CHANGES_IN_LOOP):
            return await self._in_thread(work)
        try:
            return work()
        except sqlite3.OperationalError as error:
            # A query that was cut off has changed nothing. Whoever found a lock has done nothing.
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY):
                raise
        finally:
            connection.set_progress_handler(None, 0)
        return await self._in_thread(work)

    async def settle(self) -> None:
        """Wait for what a task that was cancelled has left running in the thread."""
        working = self._working
        if working is not None and not working.done():
            await asyncio.wait([working])

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        loop = asyncio.get_running_loop()
        self._working = working = loop.run_in_executor(None, self._patiently, work)
        working.add_done_callback(_take_note)
        return await asyncio.shield(working)

    def _patiently(self, work: Callable[[], Any]) -> Any:
        # SQLite's own waiting looks again less and less often, so that others, who come later, get the lock first.
        deadline_s = time.monotonic() + self.busy_ms / 1000
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline_s:
                    raise
            time.sleep(_BUSY_PAUSE_S)

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise ValueError("Connection closed")
        return self._conn


class DirectCursor:
    """A cursor of such a connection; a statement's rows are there when it was executed."""

    def __init__(self, connection: DirectConnection, cursor: sqlite3.Cursor) -> None:
        self._connection = connection
        self._cursor = cursor
        self._rows: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    @property
    def at_once(self) -> sqlite3.Cursor:
        """SQLite's own cursor, for who knows that what is asked takes no time, and that nothing of this connection runs in a thread."""
        return self._cursor

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Self:
        """Execute a statement and take all its rows."""

        def work() -> list[Any]:
            return self._cursor.execute(statement, parameters).fetchall()

        self._rows = await self._connection.run(statement, work)
        return self

    async def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> Self:
        """Execute a statement for each of the rows."""
        await self._connection.run(statement, lambda: self._cursor.executemany(statement, rows))
        return self

    async def fetchall(self) -> list[Any]:
        """What the statement gave."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Let go of the statement."""
        await self._connection.settle()
        self._cursor.close()


class _AtOnce:
    """Stands where aiosqlite has the queue to its thread: SQLAlchemy sets the isolation level through it."""

    def put_nowait(self, item: tuple[asyncio.Future[Any], Callable[[], Any]]) -> None:
        """Do it."""
        future, function = item
        future.set_result(function())


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    return sqlite3.connect(
        path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=_CACHED_STATEMENTS
    )


def _interrupt() -> int:
    return 1


def _take_note(working: asyncio.Future[Any]) -> None:
    """What became of it is nobody's if its caller has gone."""
    if not working.cancelled():
        working.exception()
