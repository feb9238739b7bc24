"""SQLite in a virtual loop: connections like aiosqlite's, without its threads, whose calls take time, fail, or are their process's last.

A real database file is behind them. Waiting for a lock is done in virtual time. A commit's answer can be lost after it happened, as that of
a database server can.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from libs.common.store import BUSY_TIMEOUT_MS, open_engine
from libs.common.store_engine import StoreEngine
from tests.simulation.connection import Sky
from tests.simulation.process import Process
from tests.simulation.trouble import Troubles

_BUSY_PAUSE_S: Final = 0.02
# The file lives as long as the world; nothing survives the machine, so nothing has to reach its disk.
_OWN_PRAGMAS: Final = {
    "PRAGMA busy_timeout": "PRAGMA busy_timeout = 0",
    "PRAGMA synchronous": "PRAGMA synchronous = OFF",
}


class StoreLine:
    """What all connections of one process to its database share: the process, what may go wrong, and what happened."""

    def __init__(self, process: Process, sky: Sky, troubles: Troubles, path: Path) -> None:
        self.process = process
        self.sky = sky
        self.troubles = troubles
        self.path = path
        self.open: dict[SimulatedConnection, None] = {}
        process.on_death.append(self._cut)

    def open_engine(self) -> StoreEngine:
        """An engine of the process on its database."""
        return open_engine(f"sqlite:///{self.path}", sqlite_connect=self._connect)

    async def _connect(self) -> SimulatedConnection:
        await self.travel()
        connection = SimulatedConnection(self)
        self.open[connection] = None
        return connection

    async def travel(self) -> None:
        """The time that one call takes; a process that stands still or is dead does not come back from it."""
        await self.sky.travel()
        await self.process.awake()

    def _cut(self) -> None:
        # What was not committed is gone with the process.
        for connection in list(self.open):
            connection.stop()


class SimulatedConnection:
    """See the module. The names are aiosqlite's, as far as SQLAlchemy uses them."""

    def __init__(self, line: StoreLine) -> None:
        self._line = line
        self._conn = sqlite3.connect(line.path, timeout=0, isolation_level=None)
        self._tx = _AtOnce()
        self._closed = False

    @property
    def _connection(self) -> sqlite3.Connection | None:
        return None if self._closed else self._conn

    def cursor(self) -> SimulatedCursor:
        return SimulatedCursor(self, self._conn.cursor())

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        self._conn.create_function(*arguments, **options)

    async def commit(self) -> None:
        if self._conn.in_transaction:
            await self.call(self._conn.commit, commits=True)

    async def rollback(self) -> None:
        # Needs no answer: whoever goes away without a word has rolled back too.
        if not self._closed and self._conn.in_transaction:
            self._conn.rollback()

    async def close(self) -> None:
        self.stop()

    def stop(self) -> None:
        """Close at once; what was not committed is rolled back."""
        if not self._closed:
            self._closed = True
            # A connection that closes with a cursor still on it stays behind, lock and all, until the cursor is collected.
            self._conn.rollback()
            self._conn.close()
            del self._line.open[self]

    async def call(self, work: Callable[[], Any], *, commits: bool = False) -> Any:
        """One call of the database, with everything that may become of it."""
        line, troubles = self._line, self._line.troubles
        await line.travel()
        if line.sky.happens(troubles.now.crash_at_store):
            await troubles.crash(line.process)
        if line.sky.happens(troubles.now.store_fails):
            raise troubles.note_failure("store failed", _failure())
        result = await self._unless_busy(work)
        if commits and line.sky.happens(troubles.now.crash_after_commit):
            await troubles.crash(line.process)
        if commits and line.sky.happens(troubles.now.commit_answer_lost):
            raise troubles.note_failure("commit's answer lost", _failure())
        return result

    async def _unless_busy(self, work: Callable[[], Any]) -> Any:
        waited_s = 0.0
        while True:
            if self._closed:
                raise _failure()
            try:
                return work()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or waited_s * 1000 >= BUSY_TIMEOUT_MS:
                    raise
            self._line.troubles.happened["store busy"] += 1
            await asyncio.sleep(_BUSY_PAUSE_S)
            waited_s += _BUSY_PAUSE_S


class SimulatedCursor:
    """A cursor of such a connection."""

    def __init__(self, connection: SimulatedConnection, cursor: sqlite3.Cursor) -> None:
        self._connection = connection
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    async def __aenter__(self) -> SimulatedCursor:
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> SimulatedCursor:
        statement = next((own for pragma, own in _OWN_PRAGMAS.items() if statement.startswith(pragma)), statement)
        await self._connection.call(lambda: self._cursor.execute(statement, parameters))
        return self

    async def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> SimulatedCursor:
        await self._connection.call(lambda: self._cursor.executemany(statement, rows))
        return self

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def close(self) -> None:
        if self._connection._connection is not None:  # Or it has gone with its connection.
            self._cursor.close()


class _AtOnce:
    """Stands where aiosqlite has the queue to its thread."""

    def put_nowait(self, item: tuple[asyncio.Future[Any], Callable[[], Any]]) -> None:
        future, function = item
        future.set_result(function())


def _failure() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    error.sqlite_errorname = "SQLITE_IOERR"
    return error
