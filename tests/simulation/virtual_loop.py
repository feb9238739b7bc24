"""An event loop whose time is virtual: when nothing can run, it jumps to the next timer instead of waiting for it.

What runs in it is deterministic as long as it opens no socket, starts no thread and iterates over no set of objects: callbacks run in
the order in which they became ready, and hours of time-outs take milliseconds.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH_MS = 1_700_000_000_000


class NothingCanHappenError(Exception):
    """Every task waits for something that no timer will bring: a deadlock."""


class _JumpingSelector(selectors.DefaultSelector):
    """Never blocks: a wait becomes a jump of the loop's time."""

    def __init__(self) -> None:
        super().__init__()
        self.time_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready:
            if timeout is None:
                raise NothingCanHappenError
            self.time_s += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made, in virtual time."""
        return self._jumping.time_s


class LoopClock:
    """The `Clock` of whatever runs in a virtual loop; begins at `EPOCH_MS`."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, in virtual time."""
        return EPOCH_MS + round(asyncio.get_running_loop().time() * 1000)

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms` of virtual time."""
        await asyncio.sleep(max(0, duration_ms) / 1000)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a virtual loop of its own, and close the loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
