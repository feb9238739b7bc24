"""Writes commands down before they go out: one transaction for all that come while another one is under way.

It must not decide what a command means. Called by `commands`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from libs.common.plain_sql import PlainSession
from libs.common.store import store_errors
from libs.common.store_engine import StoreEngine
from services.agent_api.store import tables
from services.agent_api.store.plain import PlainTable, inserting
from services.agent_api.store.rows import CommandRow

_COMMANDS: Final = PlainTable(tables.commands, CommandRow)
_ADD: Final = inserting(_COMMANDS.name, _COMMANDS.names, ("command_id",))
_FIND: Final = f"{_COMMANDS.select} WHERE command_id IN ?"
_ROWS_MAX: Final = 200

Waiting = tuple[CommandRow, "asyncio.Future[CommandRow]"]


class CommandBook:
    """See the module. Belongs to one event loop."""

    def __init__(self, engine: StoreEngine) -> None:
        self._engine: Final = engine
        self._waiting: list[Waiting] = []
        self._work: asyncio.Task[None] | None = None

    async def remember(self, row: CommandRow) -> CommandRow:
        """The command as it is written down: this row, or the one that an earlier try has left. Raises StoreUnavailableError."""
        future: asyncio.Future[CommandRow] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, future))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._write_all())
        return await future

    async def _write_all(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:_ROWS_MAX], self._waiting[_ROWS_MAX:]
            try:
                with store_errors():
                    async with self._engine.write_plain() as session:
                        stored = await _write(session, [row for row, _ in group])
            except asyncio.CancelledError:
                for _, future in (*group, *self._waiting):
                    future.cancel()
                raise
            except Exception as error:  # Not lost: it becomes the outcome of those who wait.
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
            else:
                for row, future in group:
                    if not future.done():
                        future.set_result(stored[row.command_id])


async def _write(session: PlainSession, rows: Sequence[CommandRow]) -> dict[str, CommandRow]:
    await session.execute_many(_ADD, [_COMMANDS.values_of(row) for row in rows])
    found = await session.fetch_in(_FIND, sorted({row.command_id for row in rows}))
    return {row.command_id: row for row in map(_COMMANDS.row_of, found)}
