"""Long computations beside everything else that the process does: a slice at a time, and in between all else has its turn.

A health check, a heartbeat or a neighbour's partition must not wait for seconds until one partition has read its snapshot. Used for what
the core offers in slices. It must not decide how large a slice is; who makes them does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


async def run_in_slices(work: Generator[None, None, T]) -> tuple[T, float]:
    """What the work comes to, and how long its longest slice was (s). Raises what it raises; a cancellation ends it between two slices."""
    longest_s = 0.0
    try:
        while True:
            started_s = time.perf_counter()
            try:
                next(work)
            except StopIteration as end:
                result: T = end.value
                return result, max(longest_s, time.perf_counter() - started_s)
            longest_s = max(longest_s, time.perf_counter() - started_s)
            await asyncio.sleep(0)
    finally:
        work.close()
