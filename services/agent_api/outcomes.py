"""Requests that wait for what becomes of their command. The tailer wakes them at its commit; nothing polls.

Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from services.agent_api.store.rows import CommandRow


class Outcomes:
    """Who waits for which command."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[CommandRow]]] = {}

    @contextmanager
    def expect(self, command_id: str) -> Iterator[asyncio.Future[CommandRow]]:
        """A future of the command's outcome. Begin before the command is appended, so that no outcome is missed."""
        future: asyncio.Future[CommandRow] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(command_id, set()).add(future)
        try:
            yield future
        finally:
            future.cancel()
            waiting = self._waiting.get(command_id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[command_id]

    def awaited(self) -> frozenset[str]:
        """The commands that somebody waits for."""
        return frozenset(self._waiting)

    def settle(self, decided: Mapping[str, CommandRow]) -> None:
        """These commands are decided: wake whoever waits for one of them."""
        for command_id in self._waiting.keys() & decided.keys():
            for future in self._waiting[command_id]:
                if not future.done():
                    future.set_result(decided[command_id])
