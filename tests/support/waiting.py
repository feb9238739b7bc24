"""Waiting for a condition with a deadline; the only place where tests poll.

Called by tests that watch something from the outside (a process, a browser, a mail server) where there is no event to
await. It must not be used to wait for a fixed time.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(check: Callable[[], Awaitable[T]], timeout_s: float = 20, every_s: float = 0.02) -> T: ...
@overload
async def eventually(check: Callable[[], T], timeout_s: float = 20, every_s: float = 0.02) -> T: ...
async def eventually(check: Callable[[], T | Awaitable[T]], timeout_s: float = 20, every_s: float = 0.02) -> T:
    """Call `check` (plain or async) until what it gives is truthy, and return that.

    An `AssertionError` of the check counts as "not yet"; any other error is a bug and goes to the caller at once.
    Raises `AssertionError` after `timeout_s`, saying what the check last gave. A check that hangs is cut off there too.
    """
    deadline_s = time.monotonic() + timeout_s
    seen = "nothing yet: its first call did not return"
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    answer = check()
                    value: T = await answer if inspect.isawaitable(answer) else answer
                except AssertionError as error:
                    seen = f"AssertionError: {error}"
                else:
                    if value:
                        return value
                    seen = repr(value)
                if time.monotonic() >= deadline_s:
                    break
                await asyncio.sleep(every_s)
    except TimeoutError as error:
        if time.monotonic() < deadline_s:
            raise AssertionError(f"the check itself timed out: {error!r}") from error
    raise AssertionError(f"not within {timeout_s} s; last seen: {seen}")


def wait_until(check: Callable[[], T], timeout_s: float = 20, every_s: float = 0.05) -> T:
    """The same for code outside an event loop: the parts, which session fixtures start and stop."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= deadline_s:
            raise AssertionError(f"not within {timeout_s} s; last seen: {value!r}")
        time.sleep(every_s)
