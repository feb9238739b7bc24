"""The SQLite log under the contract."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.clock import SystemClock
from libs.common.log.sqlite import SqliteLog
from libs.common.testing.contract import LogContract, OpenLog, PassDays


class ShiftedClock(SystemClock):
    """The machine's clock, some days on; what waits, waits for real."""

    def __init__(self) -> None:
        self._shift_ms = 0

    def pass_days(self, days: int) -> None:
        self._shift_ms += days * 24 * 60 * 60 * 1000

    def now_ms(self) -> int:
        return super().now_ms() + self._shift_ms


class TestSqlite(LogContract):
    @pytest.fixture
    def clock(self) -> ShiftedClock:
        return ShiftedClock()

    @pytest.fixture
    def pass_days(self, clock: ShiftedClock) -> PassDays:
        return clock.pass_days

    @pytest.fixture
    async def open_log(self, tmp_path: Path, clock: ShiftedClock) -> AsyncIterator[OpenLog]:
        opened = []

        async def open_it() -> SqliteLog:
            log = SqliteLog(tmp_path / "folder" / "log.db", clock=clock)
            opened.append(log)
            await log.connect()
            return log

        yield open_it
        for log in opened:
            await log.close()
