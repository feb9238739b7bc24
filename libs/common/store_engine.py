"""The engines that `store` opens: SQLAlchemy's, with plain sessions beside for what every record and every request needs.

Called by `store` alone; services name `StoreEngine` as the type of what they are given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.plain_sql import PlainSession, PostgresPlain, SqliteSessions, lost_connection

POOL_WAIT_S: Final = 10


class StoreEngine(AsyncEngine):
    """An engine that gives plain sessions, too."""

    __slots__ = ()

    def write_plain(self) -> AbstractAsyncContextManager[PlainSession]:
        """A transaction that writes, as `begin` gives one to SQLAlchemy."""
        raise NotImplementedError

    def read_plain(self) -> AbstractAsyncContextManager[PlainSession]:
        """No transaction: each statement by itself sees what is committed."""
        raise NotImplementedError


class PostgresEngine(StoreEngine):
    """On PostgreSQL's pool."""

    __slots__ = ()

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine.sync_engine)

    @asynccontextmanager
    async def write_plain(self) -> AsyncIterator[PlainSession]:
        """See `StoreEngine`."""
        async with self._driver() as driver:
            with lost_connection(driver):
                async with driver.transaction():
                    yield PostgresPlain(driver)

    @asynccontextmanager
    async def read_plain(self) -> AsyncIterator[PlainSession]:
        """See `StoreEngine`."""
        async with self._driver() as driver:
            yield PostgresPlain(driver)

    @asynccontextmanager
    async def _driver(self) -> AsyncIterator[Any]:
        async with self.connect() as connection:
            # Or SQLAlchemy would begin and end transactions of its own.
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            yield (await connection.get_raw_connection()).driver_connection


class SqliteEngine(StoreEngine):
    """Lets the transactions that write take turns inside this process, in the order in which they came.

    SQLite itself lets a second writer sleep and look again, each time longer, up to a tenth of a second: under load most of the time is
    slept away, and whoever comes late may be the first. Other processes' transactions are still waited for in that way.
    """

    __slots__ = ("_sessions", "_turn")

    def __init__(self, engine: AsyncEngine, sessions: SqliteSessions) -> None:
        super().__init__(engine.sync_engine)
        self._turn = asyncio.Lock()
        self._sessions = sessions

    async def dispose(self, close: bool = True) -> None:
        """Close what is open."""
        await super().dispose(close)
        await self._sessions.close()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes, when it is its turn."""
        async with self._its_turn(), super().begin() as connection:
            yield connection

    @asynccontextmanager
    async def write_plain(self) -> AsyncIterator[PlainSession]:
        """See `StoreEngine`."""
        async with self._its_turn(), self._sessions.write() as session:
            yield session

    def read_plain(self) -> AbstractAsyncContextManager[PlainSession]:
        """See `StoreEngine`."""
        return self._sessions.read()

    @asynccontextmanager
    async def _its_turn(self) -> AsyncIterator[None]:
        if self._turn.locked():
            try:
                async with asyncio.timeout(POOL_WAIT_S):
                    await self._turn.acquire()
            except TimeoutError:
                raise PoolTimeoutError(f"no turn to write within {POOL_WAIT_S} s") from None
        else:
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()
