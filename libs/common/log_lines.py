"""Where lines of log go: written together, as many as one turn of the event loop has made.

A write lets go of the interpreter, and under load to get it back takes longer than all that went into the line. A line at warning or above
is written at once, with those before it; so is one from a thread. Called by `logging` alone.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from typing import Final, TextIO


class LogLines:
    """Lines on their way to a stream. `at_once`: never wait, for a stream that somebody reads right away."""

    def __init__(self, stream: TextIO, *, at_once: bool) -> None:
        self._stream: Final = stream
        self._at_once: Final = at_once
        self._lock: Final = threading.Lock()
        self._waiting: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        if not at_once:
            atexit.register(self.flush)

    def write(self, line: str, *, urgent: bool) -> None:
        """Write a line, without its end, now or at the end of this turn of the loop."""
        if not (self._at_once or urgent):
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                loop = None
            if loop is not None and self._loop in (loop, None):
                self._waiting.append(line)
                if self._loop is None:
                    self._loop = loop
                    loop.call_soon(self._end_turn)
                return
        self._waiting.append(line)
        self.flush()

    def flush(self) -> None:
        """Write what waits. A stream that takes nothing (a full disk, a closed pipe) loses lines and harms nobody."""
        with self._lock:
            lines, self._waiting = self._waiting, []
            if lines:
                try:
                    self._stream.write("\n".join((*lines, "")))
                    self._stream.flush()
                except (OSError, ValueError):  # ValueError: closed.
                    return

    def _end_turn(self) -> None:
        self._loop = None
        self.flush()
