"""The database behind a service: SQLAlchemy Core, async, on SQLite or PostgreSQL alike. Nothing above may know which.

Each service owns its tables, its migrations and its version table; nobody reads another's. Nothing here retries: an outage comes out as
StoreUnavailableError and the caller decides. Statements' parameters are never shown in errors, because they hold customers' words.
"""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, event, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from libs.common.errors import CentralinoError, StoreUnavailableError
from libs.common.plain_sql import SqliteSessions
from libs.common.sqlite_connection import open_connection
from libs.common.store_engine import POOL_WAIT_S, PostgresEngine, SqliteEngine, StoreEngine

BUSY_TIMEOUT_MS: Final = 10_000
CONNECT_TIMEOUT_S: Final = 5
COMMAND_TIMEOUT_S: Final = 10
MIGRATION_TIMEOUT_S: Final = 300
POOL_SIZE: Final = 10

READING: Final = "centralino_reading"

# https://www.postgresql.org/docs/16/errcodes-appendix.html: connection, resources, operator intervention; and the three that say
# "the same again may succeed": serialization failure, deadlock, a plan made stale by another replica's migration.
_OUTAGE_STATE_CLASSES: Final = ("08", "53", "57", "58")
_OUTAGE_STATES: Final = frozenset({"40001", "40P01", "0A000", "55P03"})
# https://sqlite.org/rescode.html: BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL, NOMEM.
_OUTAGE_SQLITE_CODES: Final = frozenset({5, 6, 7, 8, 10, 13, 14, 15})

_SQLITE_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")


class StoreTooNewError(CentralinoError):
    """The database was written by a newer version of this program."""


class StoreUrlInvalidError(CentralinoError):
    """A store is `sqlite:///path` or `postgresql://...`."""


# Gives a connection like those of `sqlite_connection`, which are like aiosqlite's.
SqliteConnect = Callable[[], Awaitable[Any]]


def open_engine(
    url: str, *, command_timeout_s: float = COMMAND_TIMEOUT_S, sqlite_connect: SqliteConnect | None = None
) -> StoreEngine:
    """An engine for `sqlite:///path` or `postgresql://user:password@host/database`; it connects when first used.

    `engine.begin()` is a transaction for writing: on SQLite it takes the write lock at once, so that it never fails halfway. For
    reading alone use `reading(engine)`, which waits for no writer. A statement that PostgreSQL does not answer within
    `command_timeout_s` is an outage. `sqlite_connect` opens SQLite's connections in place of those that may go to a thread, which the
    simulation cannot have. Raises StoreUrlInvalidError.
    """
    parsed = _parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed, sqlite_connect)
    engine = create_async_engine(
        parsed.set(drivername="postgresql+asyncpg"),
        hide_parameters=True,
        # A server that was restarted leaves dead connections behind; found at check-out they cost nobody a failure.
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=POOL_WAIT_S,
        connect_args={"timeout": CONNECT_TIMEOUT_S, "command_timeout": command_timeout_s},
    )
    return PostgresEngine(engine)


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that only reads: one snapshot on both databases, rolled back at the end, waiting for no writer."""
    isolation = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    async with engine.connect() as connection:
        yield await connection.execution_options(**{READING: True}, **isolation)


@contextmanager
def store_errors() -> Iterator[None]:
    """Inside, whatever says that the database does not answer becomes StoreUnavailableError; other errors pass."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, OSError, sqlite3.Error) as error:
        if not is_outage(error):
            raise
        raise StoreUnavailableError(f"the database does not answer ({_outage_kind(error)})") from error
    except Exception as error:
        # asyncpg's own errors at connecting come through unwrapped.
        if not isinstance(getattr(error, "sqlstate", None), str) or not is_outage(error):
            raise
        raise StoreUnavailableError(f"the database does not answer ({_outage_kind(error)})") from error


def is_outage(error: BaseException) -> bool:
    """Whether this error says that the database does not answer now, as against a mistake in what it was asked."""
    if isinstance(error, (OSError, PoolTimeoutError, StoreUnavailableError)):
        return True
    if isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, InterfaceError)):
        return True
    return any(_says_outage(cause) for cause in _causes(error))


def upsert(
    connection: AsyncConnection,
    table: Table,
    rows: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    change: Sequence[str] | None = (),
) -> sqlite.Insert | postgresql.Insert:
    """INSERT of rows; where one with the same `key` columns exists: change the columns named (None: all but the key; none: leave it)."""
    insert: sqlite.Insert | postgresql.Insert
    insert = sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    insert = insert.values(rows)
    names = [column.name for column in table.columns if column.name not in key] if change is None else list(change)
    if not names:
        return insert.on_conflict_do_nothing(index_elements=list(key))
    return insert.on_conflict_do_update(index_elements=list(key), set_={name: insert.excluded[name] for name in names})


def insert_or_leave(connection: AsyncConnection, table: Table, key: str) -> sqlite.Insert | postgresql.Insert:
    """The INSERT for a list of rows, each of which is left out where one with the same `key` exists."""
    return _insert(connection.dialect.name, table, key, replacing=False)


def insert_or_replace(connection: AsyncConnection, table: Table, key: str) -> sqlite.Insert | postgresql.Insert:
    """The INSERT for a list of whole rows with different keys, each of which takes the place of that with the same `key`."""
    return _insert(connection.dialect.name, table, key, replacing=True)


@cache
def _insert(dialect: str, table: Table, key: str, *, replacing: bool) -> sqlite.Insert | postgresql.Insert:
    # Made once: what it costs to put a statement together and to compile it is many times what it costs to execute it.
    insert: sqlite.Insert | postgresql.Insert
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    if not replacing:
        return insert.on_conflict_do_nothing(index_elements=[key])
    names = [column.name for column in table.columns if column.name != key]
    return insert.on_conflict_do_update(index_elements=[key], set_={name: insert.excluded[name] for name in names})


async def run_migrations(store: str | AsyncEngine, script_location: str | Path, version_table: str) -> None:
    """Bring a service's tables to the newest revision, in one transaction under a lock: any number of replicas may start at once.

    `script_location` is a folder with Alembic revisions in `versions/`; it needs no `env.py`. Raises StoreUnavailableError (also when
    another replica's migration takes very long: call again) and StoreTooNewError.
    """
    # On an engine of its own: to wait for another replica and to rewrite a table takes longer than a service's statement may.
    url = store if isinstance(store, str) else _plain_url(store)
    engine = open_engine(url, command_timeout_s=MIGRATION_TIMEOUT_S)
    try:
        with store_errors():
            async with _one_migration_at_a_time(), engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    # SQLite's write transaction is the lock; this one is let go with the transaction too.
                    lock = zlib.crc32(f"centralino migrations {version_table}".encode())
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
                await connection.run_sync(_upgrade, Path(script_location), version_table)
    finally:
        await engine.dispose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far one partition of a stream was taken into the tables, and the fence's term there."""

    next_offset: int
    term: int | None


def positions_table(metadata: MetaData, name: str) -> Table:
    """The table in which a service keeps its positions, in the same database as what it made of the records."""
    return Table(
        name,
        metadata,
        Column("stream", String(100), primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("next_offset", BigInteger, nullable=False),
        Column("term", BigInteger, nullable=True),
    )


async def read_positions(connection: AsyncConnection, table: Table, stream: str) -> dict[int, Position]:
    """The positions of a stream by partition; a partition that was never read is not there."""
    rows = await connection.execute(
        select(table.c.partition, table.c.next_offset, table.c.term).where(table.c.stream == stream)
    )
    return {partition: Position(next_offset=next_offset, term=term) for partition, next_offset, term in rows.all()}


async def advance_position(
    connection: AsyncConnection,
    table: Table,
    stream: str,
    partition: int,
    *,
    expected_offset: int,
    next_offset: int,
    term: int | None = None,
) -> bool:
    """Move a position on, in the caller's transaction. False when another replica was quicker: roll back and read the position again.

    Call it before writing anything else in the transaction: it makes others wait until this transaction has ended. A partition
    without a position is begun by whoever comes first, whatever it expected.
    """
    assert next_offset >= expected_offset, "a position does not go back"
    moved = await connection.execute(
        update(table)
        .where(table.c.stream == stream, table.c.partition == partition, table.c.next_offset == expected_offset)
        .values(next_offset=next_offset, term=term)
    )
    if moved.rowcount == 1:
        return True
    row = {"stream": stream, "partition": partition, "next_offset": next_offset, "term": term}
    begun = await connection.execute(upsert(connection, table, row, key=("stream", "partition")))
    return begun.rowcount == 1


def _plain_url(engine: AsyncEngine) -> str:
    return engine.url.set(drivername=engine.url.get_backend_name()).render_as_string(hide_password=False)


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except Exception as error:
        raise StoreUrlInvalidError from error
    if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql")
    raise StoreUrlInvalidError


def _open_sqlite(url: URL, connect: SqliteConnect | None) -> SqliteEngine:
    connect = connect or partial(open_connection, str(url.database), busy_ms=BUSY_TIMEOUT_MS)
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        hide_parameters=True,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        async_creator=connect,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver would begin transactions by itself, late and not before DDL; with None it leaves them to us.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        reader = connection.get_execution_options().get(READING, False)
        # A transaction that begins as a reader and writes later fails at once, whatever the time-out, when somebody wrote in between.
        statement = "BEGIN" if reader else "BEGIN IMMEDIATE"
        # Past SQLAlchemy's machinery for statements and results, which costs a third of a transaction that reads one row.
        cursor = connection.connection.cursor()
        try:
            cursor.execute(statement)
        except sqlite3.Error as error:
            raise OperationalError(statement, None, error) from error
        finally:
            cursor.close()

    return SqliteEngine(engine, SqliteSessions(connect, _SQLITE_PRAGMAS))


# Which connection a revision's `op` works on is a global of Alembic's, and several services may start in one event loop.
_migrating: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


def _one_migration_at_a_time() -> asyncio.Lock:
    return _migrating.setdefault(asyncio.get_running_loop(), asyncio.Lock())


def _upgrade(connection: Connection, location: Path, version_table: str) -> None:
    config = Config()
    # Alembic reads % as interpolation.
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, _context: MigrationContext) -> Any:
        # What `alembic upgrade head` calls too; the public way to it goes through an env.py in every folder.
        return script._upgrade_revs("head", revision)

    context = MigrationContext.configure(
        connection, opts={"version_table": version_table, "script": script, "fn": steps, "transactional_ddl": True}
    )
    try:
        with context.begin_transaction(), Operations.context(context):
            context.run_migrations()
    except CommandError as error:
        raise StoreTooNewError(f"{version_table}: {error}") from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    for _ in range(8):
        if current is None:
            return
        yield current
        current = getattr(current, "orig", None) or current.__cause__


def _says_outage(error: BaseException) -> bool:
    if isinstance(error, (OSError, asyncio.TimeoutError)):
        return True
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_OUTAGE_STATE_CLASSES) or state in _OUTAGE_STATES
    code = getattr(error, "sqlite_errorcode", None)
    # Extended result codes carry the primary one in the low byte.
    return isinstance(code, int) and code & 0xFF in _OUTAGE_SQLITE_CODES


def _outage_kind(error: BaseException) -> str:
    innermost = list(_causes(error))[-1]
    code = getattr(innermost, "sqlstate", None) or getattr(innermost, "sqlite_errorname", None)
    return str(code or type(innermost).__name__)
