"""The SQLite log when the disk is full, the file is locked, a batch is bad or the file is not what the settings say."""

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from libs.common.clock import SystemClock
from libs.common.errors import LogClosedError, LogMismatchError, LogUnavailableError
from libs.common.log.port import NewRecord
from libs.common.log.sqlite import SqliteLog
from libs.common.log.streams import ROUTING_EVENTS
from libs.common.testing.contract import STREAM, a_record, check_whole_batches, read_until, texts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def log(path: Path) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(path, busy_ms=50)
    await log.connect()
    yield log
    await log.close()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's transaction."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


@contextlib.contextmanager
def full_disk(bytes_left_in: Path, *, room: int) -> Iterator[None]:
    """No file can grow past the size of this one and some room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left_in.stat().st_size + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_says_that_a_locked_file_is_unavailable_and_goes_on(log: SqliteLog, path: Path) -> None:
    """given another program's long transaction / when a batch is appended / then it fails unwritten, and later ones succeed."""
    writer = await log.open_writer("test")
    with locked(path):
        with pytest.raises(LogUnavailableError, match="locked"):
            await writer.append(STREAM, 0, [a_record("unlucky")])
        with pytest.raises(LogClosedError):
            await writer.append(STREAM, 0, [a_record("on a broken writer")])
        assert await (await log.open_reader(STREAM, {0: 0})).poll() == []  # Readers do not care.
    again = await log.open_writer("test")
    assert (await again.append(STREAM, 0, [a_record("lucky")])).first_offset == 0


async def test_loses_nothing_confirmed_when_the_disk_is_full(log: SqliteLog, path: Path) -> None:
    """given little room / when appends go on until the disk is full / then that is an outage, and what was confirmed is there."""
    writer = await log.open_writer("test")
    confirmed = []
    journal = path.with_name(path.name + "-wal")

    async def fill() -> None:
        for number in range(1_000):
            await writer.append(STREAM, 0, [a_record(f"{number}.{index}", "k" * 20_000) for index in range(3)])
            confirmed.append(str(number))

    with full_disk(journal, room=2_000_000), pytest.raises(LogUnavailableError):
        await fill()
    assert 0 < len(confirmed) < 1_000
    writer = await log.open_writer("test")
    await writer.append(STREAM, 0, [a_record(f"after.{index}") for index in range(3)])
    end = await log.end_offset(STREAM, 0)
    found = texts(await read_until(await log.open_reader(STREAM, {0: 0}), end))
    check_whole_batches(found, [*confirmed, "after"], 3)


async def test_a_bad_batch_harms_no_other(path: Path) -> None:
    """given batches that gather behind a lock / when one cannot be written / then it alone fails, and its own writer."""
    log = SqliteLog(path)
    await log.connect()
    good, bad = await log.open_writer("good"), await log.open_writer("bad")
    broken = NewRecord(key="care", value=cast("bytes", [1, 2, 3]))
    with locked(path) as transaction:
        appends: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(good.append(STREAM, 0, [a_record("first")])),
            asyncio.ensure_future(good.append(STREAM, 0, [a_record("a")])),
            asyncio.ensure_future(bad.append(STREAM, 0, [a_record("half"), broken])),
            asyncio.ensure_future(bad.append(STREAM, 0, [a_record("behind the bad one")])),
            asyncio.ensure_future(good.append(STREAM, 0, [a_record("b")])),
        ]
        await asyncio.sleep(0)  # They are with the writer's thread now, which waits for the lock.
        transaction.execute("ROLLBACK")
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Appended",
        "Appended",
        "ProgrammingError",
        "LogClosedError",
        "Appended",
    ]
    assert texts(await read_until(await log.open_reader(STREAM, {0: 0}), 3)) == ["first", "a", "b"]
    await log.close()


async def test_fails_with_its_caller_when_a_key_is_no_text(log: SqliteLog) -> None:
    writer = await log.open_writer("test")
    with pytest.raises(UnicodeEncodeError):
        await writer.append(STREAM, 0, [a_record("x", key="\ud800")])
    assert (await writer.append(STREAM, 0, [a_record("y")])).first_offset == 0


async def test_times_never_fall_when_the_clock_does(path: Path) -> None:
    class FallingClock(SystemClock):
        def __init__(self) -> None:
            self.now = 2_000_000

        def now_ms(self) -> int:
            self.now -= 1_000
            return self.now

    log = SqliteLog(path, clock=FallingClock())
    await log.connect()
    writer = await log.open_writer("test")
    times = [(await writer.append(STREAM, 0, [a_record("x")])).timestamp_ms for _ in range(3)]
    assert times == [times[0]] * 3
    await log.close()


async def test_finishes_what_is_queued_when_it_is_closed(path: Path) -> None:
    log = SqliteLog(path)
    await log.connect()
    writer = await log.open_writer("test")
    appends = [asyncio.ensure_future(writer.append(STREAM, 0, [a_record(str(n))])) for n in range(50)]
    await asyncio.sleep(0)
    await log.close()
    assert [appended.first_offset for appended in await asyncio.gather(*appends)] == list(range(50))


async def test_reads_a_long_backlog_in_order(log: SqliteLog) -> None:
    """Far more than one poll gives, from two partitions, with appends going on."""
    writer = await log.open_writer("test")
    for number in range(30):
        for partition in (0, 1):
            await writer.append(STREAM, partition, [a_record(f"{number}.{index}") for index in range(100)])
    reader = await log.open_reader(STREAM, {0: 0, 1: 0})
    records = await read_until(reader, 5_000)
    await writer.append(STREAM, 0, [a_record("last")])
    records += await read_until(reader, 1_001)
    for partition, count in ((0, 3_001), (1, 3_000)):
        assert [record.offset for record in records if record.partition == partition] == list(range(count))


async def test_trims_a_long_stretch_in_steps(path: Path) -> None:
    class LaterClock(SystemClock):
        def __init__(self) -> None:
            self.days = 0

        def now_ms(self) -> int:
            return super().now_ms() + self.days * 86_400_000

    clock = LaterClock()
    log = SqliteLog(path, clock=clock, retention_days=1)
    await log.connect()
    writer = await log.open_writer("test")
    for _ in range(7):
        await writer.append(STREAM, 0, [a_record("x")] * 1_000)
    clock.days = 2
    await log.trim(STREAM, 0, 6_500)
    assert await log.begin_offset(STREAM, 0) == 6_500
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM records").fetchone() == (500,)
    await log.close()


async def test_refuses_another_number_of_partitions(log: SqliteLog, path: Path) -> None:
    with pytest.raises(LogMismatchError, match=r"has 4 partitions, the settings say 8"):
        await SqliteLog(path, 8).connect()


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [("CREATE TABLE customers (id)", "something else"), ("PRAGMA user_version=7", "something else")],
)
async def test_refuses_a_database_of_something_else(path: Path, statement: str, complaint: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE IF NOT EXISTS others (id)")
        other.execute(statement)
    with pytest.raises(LogMismatchError, match=complaint):
        await SqliteLog(path).connect()


async def test_refuses_a_file_of_a_newer_version(log: SqliteLog, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version=7")
    with pytest.raises(LogMismatchError, match="version 7"):
        await SqliteLog(path).connect()


def test_refuses_what_is_no_database(path: Path) -> None:
    path.write_bytes(b"Dear customer, " * 1_000)
    with pytest.raises(LogMismatchError, match="not an event log"):
        asyncio.run(SqliteLog(path).connect())


async def test_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnavailableError, match="file"):
        await SqliteLog(tmp_path / "file" / "log.db").connect()


async def test_is_unavailable_before_it_is_connected(path: Path) -> None:
    log = SqliteLog(path)
    assert log.partitions(ROUTING_EVENTS) == 4
    with pytest.raises(LogUnavailableError, match="not connected"):
        await log.open_writer("early")
    await log.close()
