"""The router under its contract on the SQLite log, each router with a connection of its own to the file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.log.sqlite import SqliteLog
from tests.support.router_contract import PARTITIONS, OpenLog, RouterContract


class TestRouterOnSqlite(RouterContract):
    @pytest.fixture
    async def open_log(self, tmp_path: Path) -> AsyncIterator[OpenLog]:
        opened = []

        async def open_it() -> SqliteLog:
            log = SqliteLog(tmp_path / "log.db", PARTITIONS)
            opened.append(log)
            await log.connect()
            return log

        yield open_it
        for log in opened:
            await log.close()
