"""How many webhooks ingest takes, and how quickly, beside a bare route that appends a record of the same size to the same log.

Each round loads ingest with Twilio's forms, ingest with Telegram's JSON and the bare route, one right after the other, so that a ratio
compares neighbours. The load generator is this process; what it can do at most is measured too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec

from libs.common.clock import SystemClock
from libs.common.log.open import open_log
from libs.common.log.port import NewRecord, Record
from libs.common.log.streams import ROUTING_INPUTS, partition_of
from services.bench import bare_route
from services.bench.bare_log import RETENTION_DAYS
from services.bench.children import Children
from services.bench.figures import Figure, Report, describe_machine, percentile, ratios
from services.bench.http_load import Load, load, repeat
from services.bench.logs import PARTITIONS, LogPlace
from services.bench.requests import TELEGRAM, TWILIO, request_bytes
from services.bench.stack import POOL, Stack, configuration

INGEST_TWILIO: Final = "ingest, Twilio form"
INGEST_TELEGRAM: Final = "ingest, Telegram JSON"
BARE: Final = "bare FastAPI route"
NOTHING: Final = "load generator alone"
_WARM_UP: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhooksPlan:
    """What to do: requests per subject and round."""

    requests: int = 5_000
    rounds: int = 5
    connections: int = 64


async def measure_webhooks(plan: WebhooksPlan, places: Sequence[LogPlace], folder: Path) -> Report:
    """Run it on each kind of log."""
    machine = describe_machine()
    figures: list[Figure] = []
    for place in places:
        async with place.fresh() as url:
            with Children(folder) as children:
                figures += _figures(place.kind, await _measure(plan, url, folder / place.kind, children))
    notes = (
        f"{plan.connections} connections, one request at a time on each; every request is another message of another customer",
        "the bare route appends a record of the same size and headers, with the log's writer alone, behind the same server",
        "ingest also reads its own records back (for attachments to be fetched) and writes a line of log for each message",
    )
    return Report(benchmark="webhooks", parameters=asdict(plan), figures=figures, notes=notes, machine=machine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One load, and the processor time that the loaded program used meanwhile."""

    load: Load
    cpu_s: float


async def _measure(plan: WebhooksPlan, url: str, folder: Path, children: Children) -> dict[str, list[Run]]:
    stack = Stack(
        children=children, folder=folder, log_url=url, configuration=configuration(("anna",), 1), names=("ingest",)
    )
    await stack.start()
    first = 0

    async def load_ingest(account: str, count: int) -> Load:
        nonlocal first
        requests = list(stack.sender.requests(account, first, count, SystemClock().now_ms()))
        first += count
        return await load(stack.url("ingest"), requests, connections=plan.connections)

    warm_up = min(_WARM_UP, plan.requests)
    for account in (TWILIO, TELEGRAM):
        await load_ingest(account, warm_up)
    body_bytes = len(stack.sender.post(TWILIO, 0, 0).body)
    route, nothing = await _start_bare(children, url, folder, await _last_input(url))
    bare = request_bytes("POST", "/bare", {"content-type": "application/octet-stream"}, b"x" * body_bytes)
    await load(route, repeat(bare, warm_up), connections=plan.connections)
    runs: dict[str, list[Run]] = defaultdict(list)

    async def run(subject: str, child: str, loading: Awaitable[Load]) -> None:
        before_s = children.cpu_seconds().get(child, 0.0)
        loaded = await loading
        runs[subject].append(Run(load=loaded, cpu_s=children.cpu_seconds().get(child, 0.0) - before_s))

    for _ in range(plan.rounds):
        await run(INGEST_TWILIO, "ingest", load_ingest(TWILIO, plan.requests))
        await run(BARE, "bare", load(route, repeat(bare, plan.requests), connections=plan.connections))
        await run(INGEST_TELEGRAM, "ingest", load_ingest(TELEGRAM, plan.requests))
        await run(NOTHING, "bare", load(nothing, repeat(bare, plan.requests), connections=plan.connections))
    await children.stop("bare")
    await stack.stop()
    return runs


async def _last_input(url: str) -> Record:
    """A record as ingest has written it."""
    log = open_log(url, PARTITIONS, RETENTION_DAYS)
    try:
        await log.connect()
        partition = partition_of(POOL, PARTITIONS)
        end = await log.end_offset(ROUTING_INPUTS, partition)
        reader = await log.open_reader(ROUTING_INPUTS, {partition: end - 1})
        [record] = await reader.poll(wait_ms=10_000)
        return record
    finally:
        await log.close()


async def _start_bare(children: Children, url: str, folder: Path, like: Record) -> tuple[str, str]:
    path = folder / "record.json"
    path.write_bytes(msgspec.json.encode(NewRecord(key=like.key, value=like.value, headers=like.headers)))
    children.start("bare", "services.bench.bare_route", f"--log={url}", f"--record={path}")
    route, nothing = (await children.wait_for_line("bare", bare_route.READY)).split()
    return route, nothing


_MEASURES: Final[tuple[tuple[str, str, Callable[[Run], float]], ...]] = (
    ("throughput", "requests/s", lambda run: run.load.per_second),
    ("p50", "ms", lambda run: percentile(run.load.latencies_s, 0.5) * 1000),
    ("p99", "ms", lambda run: percentile(run.load.latencies_s, 0.99) * 1000),
    ("processor time", "us/request", lambda run: run.cpu_s / len(run.load.latencies_s) * 1e6),
)


def _figures(kind: str, runs: dict[str, list[Run]]) -> list[Figure]:
    figures = {
        (subject, measure): Figure(
            subject=subject, measure=measure, unit=unit, runs=tuple(value(run) for run in subject_runs), log=kind
        )
        for subject, subject_runs in runs.items()
        for measure, unit, value in _MEASURES
    }
    compared = [
        ratios(f"{subject}, to the bare route", figures[subject, measure], figures[BARE, measure])
        for subject in (INGEST_TWILIO, INGEST_TELEGRAM)
        for measure, _, _ in _MEASURES
    ]
    return [*figures.values(), *compared]
