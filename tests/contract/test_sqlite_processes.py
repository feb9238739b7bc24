"""The SQLite log between processes: kill -9 in the middle of appends, waking, claims of a process that dies."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from libs.common.log.sqlite import SqliteLog
from libs.common.testing.contract import STREAM, GroupMember, check_whole_batches, read_until, texts
from tests.contract.sqlite_child import BATCH
from tests.support.processes import Child
from tests.support.waiting import eventually

StartChild = Callable[..., Child]


def command(work: str, path: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.contract.sqlite_child", work, str(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def log(path: Path) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(path)
    await log.connect()
    yield log
    await log.close()


async def test_holds_whole_batches_after_kill_9(log: SqliteLog, path: Path, start_child: StartChild) -> None:
    """given two processes in the middle of appends / when they are killed / then no batch is torn and none confirmed is missing."""
    children = [start_child(command("append", path), name=f"writer{index}") for index in range(2)]
    await eventually(lambda: all(child.output().count("\n") > 100 for child in children))
    for child in children:
        child.kill()
    confirmed = [line for child in children for line in child.output().splitlines()]
    last = await log.end_offset(STREAM, 0)
    found = texts(await read_until(await log.open_reader(STREAM, {0: 0}), last))
    check_whole_batches(found, confirmed, BATCH)
    assert len(confirmed) > 200


async def test_wakes_a_poll_for_what_another_process_appends(
    log: SqliteLog, path: Path, start_child: StartChild
) -> None:
    reader = await log.open_reader(STREAM, {0: 0, 1: 0})
    waiting = asyncio.ensure_future(reader.poll(wait_ms=60_000))
    await asyncio.sleep(0)
    start_child(command("once", path))
    assert texts(await asyncio.wait_for(waiting, 30)) == ["from elsewhere"]


async def test_takes_over_what_a_killed_process_had(log: SqliteLog, path: Path, start_child: StartChild) -> None:
    """given a process that holds all partitions / when another joins and the first is killed / then all are handed on."""
    child = start_child(command("claim", path))
    await child.wait_for_output("assigned [0, 1, 2, 3]")
    member = await GroupMember({}).join(log, "group")
    await member.holds(2)
    assert "revoked [2, 3]" in child.output()
    child.kill()
    await member.holds(4)
    await member.leave()


async def test_shares_with_a_process_that_comes_later(log: SqliteLog, path: Path, start_child: StartChild) -> None:
    member = await GroupMember({}).join(log, "group")
    await member.holds(4)
    child = start_child(command("claim", path))
    await child.wait_for_output("assigned")
    await member.holds(2)
    await member.leave()
    await eventually(lambda: sum(line.count(",") + 1 for line in child.output().splitlines()) == 4)


async def test_is_made_by_several_processes_at_once(path: Path, start_child: StartChild) -> None:
    """given no file / when six processes start at once / then all find the same log."""
    children = [start_child(command("once", path), name=f"first{index}") for index in range(6)]
    for child in children:
        assert await asyncio.to_thread(child.wait) == 0, child.output()
    log = SqliteLog(path)
    await log.connect()
    assert await log.end_offset(STREAM, 1) == 6
    await log.close()
