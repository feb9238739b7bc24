"""A process's life, seen from outside: signals, requests in flight, failures, exit codes."""

import asyncio
import gc
import json
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI

from libs.common.clock import VirtualClock
from libs.common.errors import LogUnavailableError, StoreUnavailableError
from libs.common.http.health import Health
from libs.common.http.server import PortUnavailableError
from libs.common.lifecycle import Placement, retrying, run_services, tune_garbage_collector
from tests.conftest import ChildStarter
from tests.support.processes import Child
from tests.support.waiting import eventually


def start(start_child: ChildStarter, scenario: str) -> Child:
    return start_child((sys.executable, "-m", "tests.integration.common.two_services", scenario), name="services")


async def urls_of(child: Child) -> tuple[str, str]:
    await child.wait_for_output("started http")
    line = next(line for line in child.output().splitlines() if line.startswith("started"))
    _, first, second = line.split()
    return first, second


def client_of(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=20)


def told(child: Child) -> list[str]:
    """What the services said, in order, without the log's lines."""
    return [line for line in child.output().splitlines() if not line.startswith(("{", "started"))]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order_with_exit_code_0(start_child: ChildStarter, number: signal.Signals) -> None:
    child = start(start_child, "plain")
    first, second = await urls_of(child)
    async with client_of(first) as one, client_of(second) as two:
        assert (await one.get("/livez")).status_code == 200
        assert (await two.get("/livez")).status_code == 200

    if number is signal.SIGTERM:
        child.terminate()
    else:
        child.interrupt()

    assert await asyncio.to_thread(child.wait) == 0
    assert told(child) == [
        "first runs",
        "second runs",
        "stop seen",
        "second cancelled",
        "first cancelled",
        "second closed",
        "first closed",
    ]


async def test_a_request_in_flight_is_finished_while_background_work_goes_on(start_child: ChildStarter) -> None:
    child = start(start_child, "plain")
    first, _ = await urls_of(child)
    async with client_of(first) as client:
        slow = asyncio.create_task(client.get("/slow"))
        await child.wait_for_output("first request begun")

        child.terminate()

        assert (await slow).json() == "done"
    assert await asyncio.to_thread(child.wait) == 0


async def test_a_request_that_never_ends_is_cut_off(start_child: ChildStarter) -> None:
    child = start(start_child, "plain")
    _, second = await urls_of(child)
    async with client_of(second) as client:
        # Nobody releases the second service's requests.
        slow = asyncio.create_task(client.get("/slow"))
        await child.wait_for_output("second request begun")

        child.terminate()

        assert await asyncio.to_thread(child.wait) == 0
        answer = await slow
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert answer.headers["x-correlation-id"]


async def test_a_second_signal_ends_it_at_once(start_child: ChildStarter) -> None:
    child = start(start_child, "hangs")
    await urls_of(child)
    child.terminate()
    await child.wait_for_output("first cancelled")

    child.terminate()

    assert await asyncio.to_thread(child.wait) == 128 + signal.SIGTERM


@pytest.mark.parametrize(("scenario", "said"), [("plain", "ValueError"), ("returns", "has ended")])
async def test_a_service_that_fails_or_ends_takes_all_down(start_child: ChildStarter, scenario: str, said: str) -> None:
    child = start(start_child, scenario)
    first, _ = await urls_of(child)
    async with client_of(first) as client:
        await client.get("/crash")

    assert await asyncio.to_thread(child.wait) == 1
    assert told(child)[-2:] == ["second closed", "first closed"]
    records = [json.loads(line) for line in child.output().splitlines() if line.startswith("{")]
    failed = next(record for record in records if record["event"] == "service failed")
    assert failed["task"] == "run first"
    assert failed["level"] == "error"
    assert any(said in line for line in failed["exception"])
    assert "luca" not in child.output()


async def test_work_that_does_not_stop_is_left_behind_with_an_error(start_child: ChildStarter) -> None:
    child = start(start_child, "hangs")
    await urls_of(child)

    child.terminate()

    assert await asyncio.to_thread(child.wait) == 1
    assert "did not end in time" in child.output()
    assert told(child)[-2:] == ["second closed", "first closed"]


async def test_a_close_that_fails_does_not_keep_the_others_from_closing(start_child: ChildStarter) -> None:
    child = start(start_child, "close fails")
    await urls_of(child)

    child.terminate()

    assert await asyncio.to_thread(child.wait) == 1
    assert told(child)[-1] == "second closed"
    assert "failed while stopping" in child.output()
    assert "luca" not in child.output()


class IdleService:
    """Does nothing until it is cancelled."""

    def __init__(self, name: str = "idle") -> None:
        self.name = name
        self.app = FastAPI()
        self.ran = False
        self.closed = False

    async def run(self) -> None:
        self.ran = True
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def collector() -> Iterator[None]:
    """Puts the garbage collector back as it was."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
async def test_a_taken_port_is_told_before_anything_runs() -> None:
    service, other = IdleService(), IdleService("other")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(PortUnavailableError, match=str(port)):
            await run_services([Placement(service=service), Placement(service=other, port=port)])

    assert not service.ran
    assert not other.ran
    assert service.closed


@pytest.mark.usefixtures("collector")
async def test_it_ends_with_its_caller() -> None:
    service = IdleService()
    started = asyncio.Event()
    task = asyncio.create_task(run_services([Placement(service=service)], on_started=lambda _: started.set()))
    await started.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert service.closed


@pytest.mark.usefixtures("collector")
def test_the_collector_leaves_what_the_start_made_alone() -> None:
    gc.unfreeze()

    tune_garbage_collector()

    assert gc.get_threshold() == (50_000, 20, 100)
    assert gc.get_freeze_count() > 1000


class PausingClock:
    """Does not wait, and remembers how long it was asked to."""

    def __init__(self, before_each_pause: Callable[[], None]) -> None:
        self.pauses_ms: list[int] = []
        self._before_each_pause = before_each_pause

    def now_ms(self) -> int:
        return sum(self.pauses_ms)

    async def sleep_ms(self, duration_ms: int) -> None:
        self._before_each_pause()
        self.pauses_ms.append(duration_ms)


async def test_an_outage_is_retried_with_growing_pauses_and_shown_in_health() -> None:
    health = Health("store")
    shown: list[tuple[bool, str]] = []
    clock = PausingClock(lambda: shown.append((health.ready, health.check()[0].detail)))
    outcomes = iter([StoreUnavailableError("the database does not answer (57P03)")] * 7)

    async def operation() -> str:
        for outage in outcomes:
            raise outage
        return "there"

    answer = await retrying("store", operation, health=health, clock=clock)

    assert answer == "there"
    assert clock.pauses_ms == [100, 200, 400, 800, 1600, 2000, 2000]
    assert shown == [(False, "the database does not answer (57P03)")] * 7
    assert health.ready


async def test_only_outages_are_retried() -> None:
    health = Health()

    async def operation() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await retrying("store", operation, health=health, clock=VirtualClock())


async def test_a_retry_can_be_cancelled() -> None:
    async def operation() -> None:
        raise LogUnavailableError

    health = Health()
    task = asyncio.create_task(retrying("log", operation, health=health, clock=VirtualClock()))
    await eventually(lambda: health.check())

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not health.ready
