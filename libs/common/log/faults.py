"""Faults for the memory log: what a test or the simulation makes go wrong, at a moment it chooses.

Deterministic: a fault hits the next append that it names, never a random one. Only tests and the simulation use it; no adapter but
the memory log knows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from libs.common.errors import LogUnavailableError
from libs.common.log.port import Appended


class AppendFault(StrEnum):
    """How an append goes wrong."""

    NOT_WRITTEN = "not-written"  # It fails, and nothing was written.
    WRITTEN = "written"  # It was written, and its caller is told that it failed.


@dataclass(eq=False)
class HeldAppend:
    """An append on its way: its caller waits, nothing is written until `release` (a late batch) or `lose`."""

    writer: str | None
    stream: str | None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _write: Callable[[], Appended] | None = None
    _outcome: asyncio.Future[Appended] | None = None

    def hold(self, write: Callable[[], Appended]) -> asyncio.Future[Appended]:
        """Called by the log when the append comes in. The future is what its caller waits for."""
        self._write = write
        self._outcome = asyncio.get_running_loop().create_future()
        self.arrived.set()
        return self._outcome

    def release(self) -> Appended:
        """Let it be written now, whatever became of its caller."""
        assert self._write is not None, "the append has not come in yet"
        appended = self._write()
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(appended)
        return appended

    def lose(self) -> None:
        """Never write it; its caller, if it still waits, is told that the outcome is unknown."""
        assert self._outcome is not None, "the append has not come in yet"
        if not self._outcome.done():
            self._outcome.set_exception(LogUnavailableError("the append was lost"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    fault: AppendFault | HeldAppend
    writer: str | None
    stream: str | None

    def hits(self, writer: str, stream: str) -> bool:
        return self.writer in (None, writer) and self.stream in (None, stream)


class Faults:
    """The faults that are planned for one memory log, and those that last until they are ended."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._paused: set[str] = set()
        self._away = False
        self._changed: Callable[[], None] = lambda: None

    def fail_next_append(self, *, written: bool, writer: str | None = None, stream: str | None = None) -> None:
        """The next append (of that writer, to that stream) reports failure; `written` says whether it happened all the same.

        Several calls hit as many appends, in the order of the calls.
        """
        fault = AppendFault.WRITTEN if written else AppendFault.NOT_WRITTEN
        self._planned.append(_Planned(fault=fault, writer=writer, stream=stream))

    def hold_next_append(self, *, writer: str | None = None, stream: str | None = None) -> HeldAppend:
        """The next append (of that writer, to that stream) hangs until it is released or lost."""
        held = HeldAppend(writer=writer, stream=stream)
        self._planned.append(_Planned(fault=held, writer=writer, stream=stream))
        return held

    def pause_readers(self, stream: str) -> None:
        """Readers of this stream see nothing new until `resume_readers`."""
        self._paused.add(stream)

    def resume_readers(self, stream: str) -> None:
        """Let them read again."""
        self._paused.discard(stream)
        self._changed()

    def take_away(self) -> None:
        """Every call of the log raises LogUnavailableError until `give_back`."""
        self._away = True
        self._changed()

    def give_back(self) -> None:
        """The log answers again."""
        self._away = False

    # Below: what the log asks.

    def on_change(self, wake: Callable[[], None]) -> None:
        """The log's way of waking its readers."""
        self._changed = wake

    def readers_paused(self, stream: str) -> bool:
        """Whether readers of this stream see nothing."""
        return stream in self._paused

    def check_reachable(self) -> None:
        """Raises LogUnavailableError while the log is away."""
        if self._away:
            raise LogUnavailableError("the log was taken away")

    def take(self, writer: str, stream: str) -> AppendFault | HeldAppend | None:
        """The fault that hits this append; it is used up."""
        for index, planned in enumerate(self._planned):
            if planned.hits(writer, stream):
                return self._planned.pop(index).fault
        return None
