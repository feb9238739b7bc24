"""The log's time, told from our own clock and from what appends say of it.

Deadlines are times of the log, because inputs are decided for the log's time. The machine that keeps the log may have another clock;
every append tells something about it: the log's timestamp lies between our times before and after. Pure: it is handed the times.
"""

from __future__ import annotations


class LogTime:
    """How far the log's clock is ahead of ours (`ahead_ms`): nothing, as far as the appends until now allow."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def heard(self, *, before_ms: int, timestamp_ms: int, after_ms: int) -> None:
        """An append that was called at `before_ms` and returned at `after_ms` was given this timestamp.

        A slow append says little: only what it rules out is corrected.
        """
        least, most = timestamp_ms - after_ms, timestamp_ms - before_ms
        self.ahead_ms = max(least, min(most, self.ahead_ms))
