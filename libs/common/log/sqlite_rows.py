"""The rows of the SQLite log: how records become rows and come back, and the statements that insert, read and delete them.

Plain functions on a connection, inside a transaction that the caller has begun. Called by the writer's thread and by the readers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from libs.common.log.port import Appended, Headers, NewRecord, Record
from libs.common.log.sqlite_file import OFFSET_END, PLACE_BITS

_READ_BYTES_MAX: Final = 16 * 1024 * 1024

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Headers)

# Rows that one statement inserts at most. A statement hands the interpreter's lock over, which with a busy event loop takes long to
# come back; five parameters a row are far below what SQLite allows.
_ROWS_AT_ONCE: Final = 128
_INSERT: Final = "INSERT INTO records (place, timestamp_ms, key, value, headers) VALUES "
_ONE_ROW: Final = "(?, ?, ?, ?, ?)"
_INSERT_MANY: Final = _INSERT + ", ".join([_ONE_ROW] * _ROWS_AT_ONCE)
_ROW_PARAMETERS: Final = 5

Row = tuple[str, bytes, bytes]  # Key, value and encoded headers.


@dataclass(slots=True, eq=False)
class RowBatch:
    """One append's rows, and the time of the call."""

    partition_id: int
    compacted: bool
    rows: list[Row]
    now_ms: int


@dataclass(slots=True, eq=False)
class _Tail:
    """Where a partition ends while a transaction goes on."""

    end: int
    timestamp_ms: int


def make_row(record: NewRecord) -> Row:
    """A record's row. What is not Unicode fails here, with its caller (UnicodeEncodeError)."""
    record.key.encode()
    return record.key, record.value, _encoder.encode(record.headers)


def insert_batches(connection: sqlite3.Connection, batches: Sequence[RowBatch]) -> list[Appended]:
    """Insert batches in this order; where each landed."""
    tails: dict[int, _Tail] = {}
    values: list[int | str | bytes] = []  # Of one row after the other.
    appended: list[Appended] = []
    for batch in batches:
        tail = tails.get(batch.partition_id)
        if tail is None:
            query = "SELECT end_offset, timestamp_ms FROM partitions WHERE id = ?"
            tail = tails[batch.partition_id] = _Tail(*connection.execute(query, (batch.partition_id,)).fetchone())
        timestamp_ms = tail.timestamp_ms = max(tail.timestamp_ms, batch.now_ms)
        place = (batch.partition_id << PLACE_BITS) + tail.end
        for key, value, headers in batch.rows:
            values += (place, timestamp_ms, key, value, headers)
            place += 1
        first, tail.end = tail.end, tail.end + len(batch.rows)
        appended.append(Appended(first_offset=first, last_offset=tail.end - 1, timestamp_ms=timestamp_ms))
    _insert(connection, values)
    for batch, where in zip(batches, appended, strict=True):
        if batch.compacted:
            _compact(connection, batch, where.first_offset)
    connection.executemany(
        "UPDATE partitions SET end_offset = ?, timestamp_ms = ? WHERE id = ?",
        [(tail.end, tail.timestamp_ms, partition_id) for partition_id, tail in tails.items()],
    )
    return appended


def _insert(connection: sqlite3.Connection, values: list[int | str | bytes]) -> None:
    """Insert rows, whose values stand one after the other."""
    done, many = 0, _ROWS_AT_ONCE * _ROW_PARAMETERS
    while len(values) - done >= many:
        connection.execute(_INSERT_MANY, values[done : done + many])
        done += many
    rows = [values[first : first + _ROW_PARAMETERS] for first in range(done, len(values), _ROW_PARAMETERS)]
    connection.executemany(_INSERT + _ONE_ROW, rows)


def _compact(connection: sqlite3.Connection, batch: RowBatch, first_offset: int) -> None:
    """Delete what the new rows supersede."""
    place = (batch.partition_id << PLACE_BITS) + first_offset
    for index, (key, _, _) in enumerate(batch.rows):
        identity = (batch.partition_id, key)
        old = connection.execute("SELECT place FROM newest WHERE partition_id = ? AND key = ?", identity).fetchone()
        if old is not None:
            connection.execute("DELETE FROM records WHERE place = ?", old)
        connection.execute(
            "INSERT OR REPLACE INTO newest (partition_id, key, place) VALUES (?, ?, ?)", (*identity, place + index)
        )


def delete_old(
    connection: sqlite3.Connection, partition_id: int, before_offset: int, before_ms: int, *, rows_max: int
) -> bool:
    """Delete up to `rows_max` of a partition's rows before this offset and older than this time; whether there are more."""
    begin, end = connection.execute(
        "SELECT begin_offset, end_offset FROM partitions WHERE id = ?", (partition_id,)
    ).fetchone()
    base = partition_id << PLACE_BITS
    limit = min(before_offset, end)
    stop = min(limit, begin + rows_max)
    kept = connection.execute(
        "SELECT place FROM records WHERE place >= ? AND place < ? AND timestamp_ms >= ? ORDER BY place LIMIT 1",
        (base + begin, base + stop, before_ms),
    ).fetchone()
    if kept is not None:
        stop = kept[0] - base
    if stop <= begin:
        return False
    connection.execute("DELETE FROM records WHERE place >= ? AND place < ?", (base + begin, base + stop))
    connection.execute("UPDATE partitions SET begin_offset = ? WHERE id = ?", (stop, partition_id))
    return kept is None and stop < limit


def read_records(
    connection: sqlite3.Connection, stream: str, partition: int, partition_id: int, offset: int, limit: int
) -> list[Record]:
    """Up to `limit` records of a partition from `offset` on, at least one where there is one, and not many more than 16 MiB."""
    base = partition_id << PLACE_BITS
    cursor = connection.execute(
        "SELECT place, timestamp_ms, key, value, headers FROM records WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
        (base + offset, base + OFFSET_END, limit),
    )
    records: list[Record] = []
    size = 0
    for place, timestamp_ms, key, value, headers in cursor:
        records.append(
            Record(
                stream=stream,
                partition=partition,
                offset=place - base,
                timestamp_ms=timestamp_ms,
                key=key,
                value=value,
                headers=_decoder.decode(headers),
            )
        )
        size += len(value)
        if size > _READ_BYTES_MAX:
            cursor.close()
            break
    return records
