"""How long a customer's message takes to an agent's screen: from the webhook to the offer on the agent's WebSocket, at a given rate.

All services are real processes and the stream of customers does not wait for them: messages come at random times at the given rate, and
a late one counts from when it was due. The comparison is an echo: a process that copies every record from the log's inputs to another
stream at once, with its sender and reader here; what any router on this log needs at least.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from libs.common.clock import SystemClock
from libs.common.errors import OutageError
from libs.common.log.open import open_log
from libs.common.log.port import NewRecord
from libs.common.log.streams import OUTBOUND_MESSAGES, ROUTING_INPUTS, partition_of
from services.bench import echo
from services.bench.bare_log import RETENTION_DAYS, BareLog, open_bare
from services.bench.children import Children
from services.bench.figures import Figure, Report, describe_machine, percentile, ratios
from services.bench.http_load import HttpPool, collector_paused, load_at
from services.bench.lives import Lives
from services.bench.logs import PARTITIONS, LogPlace
from services.bench.mail_sink import MailSink
from services.bench.people import Desk, Desks
from services.bench.requests import TELEGRAM
from services.bench.stack import POOL, Stack, configuration

CAPACITY: Final = 100
ACCEPTED: Final = "webhook accepted to offer on the screen"
POSTED: Final = "webhook posted to offer on the screen"
ECHO: Final = "bare echo, input to reader"
_WAIT_S: Final = 60.0
_WAIT_MS: Final = 1_000
_WARM_UP_SHARE: Final = 0.2
_STATUS_OK: Final = 200


class MessagesMissingError(OutageError):
    """Not everything that was sent has come out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPlan:
    """What to do: contacts per second, for how many seconds in each round, and whether all services are in one process."""

    rate: float = 200.0
    seconds: float = 10.0
    rounds: int = 5
    together: bool = False
    store: str | None = None

    @property
    def warm_up(self) -> int:
        """Messages before those that count."""
        return max(1, int(self.rate * self.seconds * _WARM_UP_SHARE))

    @property
    def messages(self) -> int:
        """All messages of a round."""
        return self.warm_up + max(1, int(self.rate * self.seconds))


Times = dict[str, list[float]]  # Seconds, of every message that counts, by what was measured.


async def measure_latency(plan: LatencyPlan, places: Sequence[LogPlace], folder: Path) -> Report:
    """Run it on each kind of log."""
    machine = describe_machine()
    figures: list[Figure] = []
    for place in places:
        rounds: list[Times] = []
        for number in range(plan.rounds):
            name = f"{place.kind}-{number}"
            with Children(folder) as children:
                async with place.fresh() as url:
                    times = await _measure(plan, url, folder / name, children)
                async with place.fresh() as url:
                    times |= await _echo(plan, url, children)
            rounds.append(times)
        figures += _figures(place.kind, rounds)
    notes = (
        f"{plan.messages - plan.warm_up} messages a round (Telegram's JSON), {plan.rate:g} a second at random times",
        "agents hold their streams and answer no offer",
        "a message counts from when it was due, so that a late generator hides nothing; `accepted` is when its 200 came back",
        "the echo counts from when a record was due to when its copy was read, with one process between",
    )
    parameters = {name: value for name, value in asdict(plan).items() if name != "store"}  # It may hold a password.
    return Report(benchmark="latency", parameters=parameters, figures=figures, notes=notes, machine=machine)


async def _measure(plan: LatencyPlan, url: str, folder: Path, children: Children) -> Times:
    async with MailSink() as sink:
        return await _measure_with(sink, plan, url, folder, children)


async def _measure_with(sink: MailSink, plan: LatencyPlan, url: str, folder: Path, children: Children) -> Times:
    agents = [f"agent-{number}" for number in range(-(-plan.messages // CAPACITY))]
    stack = Stack(
        children=children,
        folder=folder,
        log_url=url,
        configuration=configuration(agents, CAPACITY),
        together=plan.together,
        smtp_url=sink.url,
        store=plan.store,
    )
    await stack.start()
    frames: list[tuple[float, bytes]] = []
    due_s: dict[int, float] = {}
    accepted_s: dict[int, float] = {}
    posts: set[asyncio.Task[None]] = set()
    ingest = HttpPool(stack.url("ingest"))

    def note(_desk: Desk, came_s: float, data: bytes) -> None:
        if b'"offer.made"' in data[:64]:
            frames.append((came_s, data))

    async def post(number: int, request: bytes) -> None:
        answer = await ingest.ask(request)
        accepted_s[number] = time.perf_counter()
        if answer.status != _STATUS_OK:
            raise MessagesMissingError(f"ingest answered {answer.status}: {answer.body[:300]!r}")

    def send(number: int, request: bytes, at_s: float) -> None:
        due_s[number] = at_s
        posts.add(asyncio.create_task(post(number, request)))

    requests = list(stack.sender.requests(TELEGRAM, 0, plan.messages, SystemClock().now_ms()))
    async with Desks(stack, agents, note) as desks:
        with collector_paused():
            await load_at(plan.rate, requests, send, pauses())
            await asyncio.gather(*posts)
            await _wait_for(lambda: len(frames) >= plan.messages, "offers")
        desks.check()
    ingest.close()
    await stack.stop()
    offered_s = {_number_in(data): came_s for came_s, data in frames}
    if len(offered_s) < plan.messages:
        raise MessagesMissingError(f"{plan.messages} messages were offered {len(offered_s)} times")
    counted = range(plan.warm_up, plan.messages)
    return {
        POSTED: [offered_s[number] - due_s[number] for number in counted],
        ACCEPTED: [offered_s[number] - accepted_s[number] for number in counted],
    }


async def _echo(plan: LatencyPlan, url: str, children: Children) -> Times:
    """The same messages at the same rate, through a process that only copies."""
    partition = partition_of(POOL, PARTITIONS)
    await _make_log(url)
    arguments = (
        f"--log={url}",
        f"--source={ROUTING_INPUTS}",
        f"--target={OUTBOUND_MESSAGES}",
        f"--partition={partition}",
    )
    children.start("echo", "services.bench.echo", *arguments)
    await children.wait_for_line("echo", echo.READY)
    due_s: dict[int, float] = {}
    came_s: dict[int, float] = {}
    sends: set[asyncio.Task[None]] = set()
    like = _an_input()
    async with open_bare(url, OUTBOUND_MESSAGES, ROUTING_INPUTS, partition) as bare:

        def send(number: int, _: bytes, at_s: float) -> None:
            due_s[number] = at_s
            record = NewRecord(key=str(number), value=like.value, headers=like.headers)
            sends.add(asyncio.create_task(bare.send(record)))

        reading = asyncio.create_task(_read(bare, came_s))
        with collector_paused():
            await load_at(plan.rate, (b"",) * plan.messages, send, pauses())
            await asyncio.gather(*sends)
            await _wait_for(lambda: len(came_s) >= plan.messages, "copies")
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    await children.stop("echo")
    return {ECHO: [came_s[number] - due_s[number] for number in range(plan.warm_up, plan.messages)]}


async def _read(bare: BareLog, came_s: dict[int, float]) -> None:
    while True:
        for record in await bare.read(_WAIT_MS):
            came_s[int(record.key)] = time.perf_counter()


async def _make_log(url: str) -> None:
    log = open_log(url, PARTITIONS, RETENTION_DAYS)
    try:
        await log.connect()
    finally:
        await log.close()


def _an_input() -> NewRecord:
    """A message as ingest writes it."""
    lives, now_ms = Lives(1), SystemClock().now_ms()
    event = lives.next_input(now_ms)
    assert event is not None, "a story begins with somebody who writes"
    return lives.record(event, now_ms)


def pauses(seed: int = 1) -> Iterator[float]:
    """Between messages of people who know nothing of each other, in means (a Poisson process)."""
    chance = Random(seed)  # noqa: S311  # it makes load, no secrets
    while True:
        yield chance.expovariate(1.0)


async def _wait_for(done: Callable[[], bool], what: str) -> None:
    deadline_s = time.perf_counter() + _WAIT_S
    while not done():
        if time.perf_counter() > deadline_s:
            raise MessagesMissingError(f"not all {what} came within {_WAIT_S} s")
        await asyncio.sleep(0.05)


def _number_in(frame: bytes) -> int:
    """Which customer's contact is offered."""
    offer: dict[str, Any] = msgspec.json.decode(frame)["offer"]
    return int(offer["contact"]["customer"]["name"].rpartition(" ")[2])


def _figures(kind: str, rounds: Sequence[Times]) -> list[Figure]:
    figures = {
        (subject, measure): Figure(
            subject=subject,
            measure=measure,
            unit="ms",
            runs=tuple(percentile(times[subject], share) * 1000 for times in rounds),
            log=kind,
        )
        for subject in (ACCEPTED, POSTED, ECHO)
        for measure, share in (("p50", 0.5), ("p99", 0.99))
    }
    compared = [
        ratios(f"{subject}, to the echo", figures[subject, measure], figures[ECHO, measure])
        for subject in (ACCEPTED, POSTED)
        for measure in ("p50", "p99")
    ]
    return [*figures.values(), *compared]
