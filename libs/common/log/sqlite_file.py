"""The SQLite file under the event log: connections with the right settings, the schema, and which errors are outages.

It knows nothing of streams' meaning, threads or event loops. Used by the SQLite log, its writer thread and its readers.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from libs.common.errors import LogMismatchError, LogUnavailableError
from libs.common.log.streams import StreamSpec

PLACE_BITS: Final = 40  # Bits of an offset within `records.place`.
OFFSET_END: Final = 1 << PLACE_BITS

_APPLICATION_ID: Final = 0x43_45_4E_54  # "CENT"
_SCHEMA_VERSION: Final = 1
_BUSY_RETRY_MS: Final = 1
_WAL_RETRY_MS: Final = 50
_JOURNAL_BYTES: Final = 64 * 1024 * 1024

# Errors of the machine rather than of what was asked: somebody else holds the lock, the disk is full or failing.
_OUTAGE_CODES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)


def is_outage(error: sqlite3.Error) -> bool:
    """Whether the same call may succeed later."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _OUTAGE_CODES


@contextlib.contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's outages into LogUnavailableError; anything else is a bug or a broken file and passes."""
    try:
        yield
    except sqlite3.Error as error:
        if not is_outage(error):
            raise
        raise LogUnavailableError(f"{path}: {error}") from error


def open_connection(path: Path, *, busy_ms: int) -> sqlite3.Connection:
    """A connection in autocommit mode. A commit returns once the records are on the disk; a lock is waited for `busy_ms`."""
    connection = sqlite3.connect(path, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={_JOURNAL_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def begin_writing(connection: sqlite3.Connection, *, busy_ms: int) -> None:
    """Begin a transaction that writes, on a connection that does not wait by itself; blocks up to `busy_ms`.

    SQLite's own waiting looks again less and less often, down to ten times a second, so that a busy process starves the others of a
    lock that it lets go of thousands of times a second.
    """
    deadline_s = time.monotonic() + busy_ms / 1000
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline_s:
                raise
            time.sleep(_BUSY_RETRY_MS / 1000)
        else:
            return


def prepare_file(path: Path, specs: Iterable[StreamSpec], *, busy_ms: int) -> dict[tuple[str, int], int]:
    """Make the file and what is missing in it; the id of every partition by stream and number.

    Safe when several processes do it at once. Raises LogMismatchError for a file of something else, of a newer version or with
    other numbers of partitions, and LogUnavailableError.
    """
    try:
        with file_errors(path), contextlib.closing(open_connection(path, busy_ms=busy_ms)) as connection:
            _switch_to_wal(connection, tries=busy_ms // _WAL_RETRY_MS)
            connection.execute("BEGIN IMMEDIATE")
            try:
                _make_tables(path, connection)
                ids = _make_partitions(path, connection, specs)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return ids
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise
        raise LogMismatchError(f"{path} is not an event log: {error}") from error


def _switch_to_wal(connection: sqlite3.Connection, *, tries: int) -> None:
    """The change of the journal needs the file for itself, and SQLite does not wait for that as it does for other locks."""
    for attempt in range(tries):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == tries - 1:
                raise
            time.sleep(_WAL_RETRY_MS / 1000)
        else:
            return


def _make_tables(path: Path, connection: sqlite3.Connection) -> None:
    version = _pragma(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if version == 0 and tables == 0:
        schema = files("libs.common.log").joinpath("schema.sql").read_text("utf-8")
        for statement in schema.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
    elif _pragma(connection, "application_id") != _APPLICATION_ID:
        raise LogMismatchError(f"{path} is a database of something else")
    elif version != _SCHEMA_VERSION:
        raise LogMismatchError(
            f"{path} has version {version} of the log's schema; this program knows {_SCHEMA_VERSION}"
        )


def _make_partitions(
    path: Path, connection: sqlite3.Connection, specs: Iterable[StreamSpec]
) -> dict[tuple[str, int], int]:
    for spec in specs:
        count = connection.execute("SELECT count(*) FROM partitions WHERE stream = ?", (spec.name,)).fetchone()[0]
        if count not in (0, spec.partitions):
            raise LogMismatchError(
                f"{path}: {spec.name} has {count} partitions, the settings say {spec.partitions};"
                " the number cannot change, because keys would move to other partitions"
            )
        if count == 0:
            rows = [(spec.name, partition) for partition in range(spec.partitions)]
            connection.executemany("INSERT INTO partitions (stream, partition) VALUES (?, ?)", rows)
    made = connection.execute("SELECT stream, partition, id FROM partitions").fetchall()
    return {(stream, partition): partition_id for stream, partition, partition_id in made}


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
