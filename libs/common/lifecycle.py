"""How a process begins and ends: serve the services' apps, do their background work, stop in order on a signal.

`run_services` is called by the command line (`up` with all services, `serve` with one). Services know nothing of it: they have an app, a
`run` and a `close`. A bug in one ends all, because a process that half works is worse than one that is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import uvloop
from fastapi import FastAPI

from libs.common.clock import Clock
from libs.common.errors import CentralinoError, OutageError
from libs.common.http.health import Health
from libs.common.http.server import GRACE_S, Served, serve_app
from libs.common.logging import correlated, get_logger

RETRY_FIRST_MS: Final = 100
RETRY_LAST_MS: Final = 2_000
STOP_S: Final = 5.0
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

T = TypeVar("T")


class Service(Protocol):
    """One of the services, put together but not started."""

    name: str
    app: FastAPI

    async def run(self) -> None:
        """All background work, until cancelled. Returning earlier or raising ends the process."""
        ...

    async def close(self) -> None:
        """Let go of everything. Called once, after `run` has ended."""
        ...


class ServiceEndedError(CentralinoError):
    """A service's background work ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A service and where it listens. Port 0: a free one."""

    service: Service
    host: str = "127.0.0.1"
    port: int = 0


def run_process(main: Coroutine[Any, Any, int]) -> int:
    """Run a process's main coroutine on uvloop and give its exit code."""
    return uvloop.run(main)


async def run_services(
    placements: Sequence[Placement],
    *,
    on_started: Callable[[Mapping[str, str]], None] | None = None,
    stop: asyncio.Event | None = None,
    trusted_proxies: Sequence[str] = (),
    grace_s: int = GRACE_S,
    stop_s: float = STOP_S,
) -> int:
    """Serve and run these services until a signal, `stop` or a failure; give the exit code: 0, or 1 after a failure.

    `on_started` gets each service's URL by name, once all listen. The end, each step with a bound: accept nothing more and finish
    the requests in flight (`grace_s`) while background work goes on, because they may wait for it; cancel `run`; `close` in
    reverse order (`stop_s` for each). A second signal ends the process at once.
    Raises PortUnavailableError before anything has started.
    """
    stop = asyncio.Event() if stop is None else stop
    log = get_logger("lifecycle")
    works: list[tuple[Placement, asyncio.Task[None]]] = []
    failed = False
    with _signals_set(stop):
        try:
            async with AsyncExitStack() as servers:
                served = {
                    placement.service.name: await servers.enter_async_context(
                        serve_app(
                            placement.service.app,
                            placement.host,
                            placement.port,
                            trusted_proxies=trusted_proxies,
                            grace_s=grace_s,
                        )
                    )
                    for placement in placements
                }
                works.extend((placement, _start(placement.service)) for placement in placements)
                tune_garbage_collector()
                if on_started is not None:
                    on_started({name: server.url for name, server in served.items()})
                failed = await _wait_for_the_end(stop, works, served)
                log.info("stopping", failed=failed)
                # All at once: the stack would give each server the whole grace time after the other.
                await asyncio.gather(*(server.stop() for server in served.values()))
        finally:
            failed = not await _stop_all(placements, works, stop_s) or failed
    log.info("stopped", failed=failed)
    return 1 if failed else 0


def tune_garbage_collector() -> None:
    """Keep what the start has made out of the collector's sight, and collect young objects seldom.

    Nearly all that a request makes is freed by reference counts. With the default thresholds the collector walks over the routes, models
    and tables of the whole process again and again: p99 of ingest was 52 ms with them and is 13 ms with these, at 20 % more
    requests per second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def retrying(
    what: str,
    operation: Callable[[], Awaitable[T]],
    *,
    health: Health,
    clock: Clock,
) -> T:
    """The operation's result, trying again after each OutageError, 100 ms later, then 200, up to 2 s, for ever.

    `what` is the part's name in `health`: not ready with the outage's message meanwhile, ready after the success.
    """
    pause_ms = RETRY_FIRST_MS
    while True:
        try:
            result = await operation()
        except OutageError as outage:
            health.set(what, ok=False, detail=str(outage))
            get_logger("lifecycle").warning("part does not answer", part=what, outage=str(outage), again_in_ms=pause_ms)
            await clock.sleep_ms(pause_ms)
            pause_ms = min(pause_ms * 2, RETRY_LAST_MS)
        else:
            health.set(what, ok=True)
            return result


def _start(service: Service) -> asyncio.Task[None]:
    with correlated(None, service=service.name):
        # The task copies the context, so every line of its work names the service.
        return asyncio.create_task(service.run(), name=f"run {service.name}")


async def _wait_for_the_end(
    stop: asyncio.Event, works: Sequence[tuple[Placement, asyncio.Task[None]]], served: Mapping[str, Served]
) -> bool:
    """Wait for a reason to stop; True when it is a failure, which is logged."""
    stopping = asyncio.create_task(stop.wait())
    tasks: list[asyncio.Task[Any]] = [work for _, work in works] + [server.task for server in served.values()]
    try:
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    ended = [task for task in tasks if task.done()]
    for task in ended:
        error = None if task.cancelled() else task.exception()
        get_logger("lifecycle").error(
            "service failed", task=task.get_name(), exc_info=error or ServiceEndedError(f"{task.get_name()} has ended")
        )
    return bool(ended)


async def _stop_all(
    placements: Sequence[Placement], works: Sequence[tuple[Placement, asyncio.Task[None]]], stop_s: float
) -> bool:
    """Cancel the work, close the services in reverse order; True when all went well."""
    well = True
    for placement, work in reversed(works):
        already_reported = work.done()
        work.cancel()
        well = await _bounded(f"run {placement.service.name}", work, stop_s, quiet=already_reported) and well
    for placement in reversed(placements):
        closing = asyncio.create_task(placement.service.close(), name=f"close {placement.service.name}")
        well = await _bounded(closing.get_name(), closing, stop_s) and well
    return well


async def _bounded(what: str, task: asyncio.Task[None], timeout_s: float, *, quiet: bool = False) -> bool:
    """Wait for a task's end; False, with a line in the log, when it fails or does not end in time."""
    log = get_logger("lifecycle")
    await asyncio.wait([task], timeout=timeout_s)
    if not task.done():
        log.error("did not end in time", what=what, timeout_s=timeout_s)
        task.cancel()
        return False
    error = None if task.cancelled() else task.exception()
    if error is not None and not quiet:
        log.error("failed while stopping", what=what, exc_info=error)
    return error is None


@contextlib.contextmanager
def _signals_set(stop: asyncio.Event) -> Any:
    """SIGTERM and SIGINT set `stop`; a second one ends the process without further ado. In another thread: nothing."""
    loop = asyncio.get_running_loop()
    installed: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            get_logger("lifecycle").warning("second signal, ending at once", signal=number.name)
            sys.stderr.flush()
            os._exit(128 + number)
        get_logger("lifecycle").info("signal received", signal=number.name)
        stop.set()

    for number in SIGNALS:
        # Signals can be handled in the main thread alone; elsewhere whoever embeds us sets `stop`.
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(number, on_signal, number)
            installed.append(number)
    try:
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)
