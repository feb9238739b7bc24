"""Which pools wait for the time, and which of them have been told it already.

The core says when something is due; when that time has come, the router appends `TimeAdvanced` to the pool's inputs, once, and waits
for it to come round. Pure: it is handed the time. Called by a tenure's loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from libs.common.log.port import Appended

Deadline = tuple[int, str]  # When (ms), and in which pool.


class Timers:
    """The `TimeAdvanced` inputs under way, at most one in each pool."""

    def __init__(self) -> None:
        self._under_way: dict[str, tuple[int, Appended]] = {}

    def wait_ms(self, deadlines: Sequence[Deadline], now_ms: int) -> int | None:
        """How long until the next deadline that nobody has been told of; None where there is none."""
        for deadline_ms, pool in deadlines:
            if pool not in self._under_way:
                return max(0, deadline_ms - now_ms)
        return None

    def due(self, deadlines: Sequence[Deadline], now_ms: int) -> list[Deadline]:
        """The pools to be told that their deadline has come."""
        return [
            (deadline_ms, pool)
            for deadline_ms, pool in deadlines
            if deadline_ms <= now_ms and pool not in self._under_way
        ]

    def told(self, deadline: Deadline, appended: Appended) -> None:
        """A `TimeAdvanced` for this deadline stands there among the inputs."""
        deadline_ms, pool = deadline
        self._under_way[pool] = (deadline_ms, appended)

    def decided(self, next_input: int, deadlines: Sequence[Deadline]) -> None:
        """Every input before `next_input` is decided, and these are the deadlines now.

        AssertionError when a pool waits on for a deadline that it was told of, at a time that the log took for past: it would be told
        for ever. (Where the log's clock was behind ours, the core may have had its reason; the next one is told by the log's.)
        """
        arrived = [pool for pool, (_, appended) in self._under_way.items() if appended.last_offset < next_input]
        for pool in arrived:
            told_ms, appended = self._under_way.pop(pool)
            if appended.timestamp_ms < told_ms:
                continue
            for deadline_ms, waiting in deadlines:
                assert waiting != pool or deadline_ms > told_ms, (
                    f"{pool} was told {told_ms} and waits on for {deadline_ms}"
                )
