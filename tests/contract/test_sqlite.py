"""The SQLite log under the contract."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.log.sqlite import SqliteLog
from libs.common.testing.contract import LogContract, OpenLog


class TestSqlite(LogContract):
    @pytest.fixture
    async def open_log(self, tmp_path: Path) -> AsyncIterator[OpenLog]:
        opened = []

        async def open_it() -> SqliteLog:
            log = SqliteLog(tmp_path / "folder" / "log.db")
            opened.append(log)
            await log.connect()
            return log

        yield open_it
        for log in opened:
            await log.close()
