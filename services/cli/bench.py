"""`centralino bench`: how much and how quickly. Each command runs one benchmark several times and prints medians and ratios.

The machine should have nothing else to do. Everything is made in a temporary folder, or under names of its own in the Kafka that is
given, and is gone afterwards.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from services.bench.figures import Report
    from services.bench.logs import LogPlace

Measure = Callable[[Sequence["LogPlace"], Path], Coroutine[Any, Any, "Report"]]

_log = click.option(
    "--log",
    "logs",
    multiple=True,
    help="Where to measure: sqlite:///FOLDER or kafka://host:9092; may be given several times (SQLite in a temporary folder).",
)
_json = click.option(
    "--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write the result to this file, too."
)
_rounds = click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="How many runs.")


@click.group()
def bench() -> None:
    """Measure Centralino on this machine."""


@bench.command()
@_log
@_json
@_rounds
@click.option("--requests", type=click.IntRange(1), default=5_000, show_default=True, help="Of each kind, in a run.")
@click.option("--connections", type=click.IntRange(1), default=64, show_default=True, help="Open at once.")
def webhooks(logs: Sequence[str], json_path: Path | None, **options: int) -> None:
    """Webhooks per second, beside a bare route that appends the same."""
    from services.bench.webhooks import WebhooksPlan, measure_webhooks

    plan = WebhooksPlan(**options)
    _run(lambda places, folder: measure_webhooks(plan, places, folder), logs, json_path)


@bench.command()
@_log
@_json
@_rounds
@click.option("--inputs", type=click.IntRange(1), default=30_000, show_default=True, help="On the log, in a run.")
@click.option("--agents", type=click.IntRange(1), default=200, show_default=True, help="In the pool.")
@click.option("--core-inputs", type=click.IntRange(1), default=20_000, show_default=True, help="For the core alone.")
@click.option(
    "--core-agents", type=click.IntRange(1), multiple=True, help="The core's pools; several times (100 up to 100000)."
)
@click.option(
    "--memory-agents",
    type=click.IntRange(0),
    default=100_000,
    show_default=True,
    help="In the pool whose memory is measured, with as many waiting; 0: none.",
)
def router(logs: Sequence[str], json_path: Path | None, core_agents: tuple[int, ...], **options: int) -> None:
    """Inputs that the router decides per second, beside a loop that copies as many; and the core alone."""
    from services.bench.router import RouterPlan, measure_router

    plan = RouterPlan(**options, core_agents=core_agents or RouterPlan().core_agents)
    _run(lambda places, folder: measure_router(plan, places, folder), logs, json_path)


@bench.command()
@_log
@_json
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="How many runs.")
@click.option("--agents", type=click.IntRange(1), default=10_000, show_default=True, help="In the pool.")
@click.option("--waiting", type=click.IntRange(0), default=50_000, show_default=True, help="Contacts in the snapshot.")
@click.option("--tail", type=click.IntRange(0), default=10_000, show_default=True, help="Messages after the snapshot.")
def recovery(logs: Sequence[str], json_path: Path | None, **options: int) -> None:
    """How soon a new router decides again, and for how long all else waits for it."""
    from services.bench.recovery import RecoveryPlan, measure_recovery

    plan = RecoveryPlan(**options)
    _run(lambda places, folder: measure_recovery(plan, places, folder), logs, json_path)


_together = click.option(
    "--together", is_flag=True, help="All services in one process, as `up` runs them (a process each)."
)
_store = click.option("--store", help="postgresql://..., for the services' tables (a SQLite file for each).")


@bench.command()
@_log
@_json
@_rounds
@_together
@_store
@click.option("--rate", type=click.FloatRange(1), default=200.0, show_default=True, help="Contacts per second.")
@click.option("--seconds", type=click.FloatRange(0.1), default=10.0, show_default=True, help="How long a run is.")
def latency(logs: Sequence[str], json_path: Path | None, **options: Any) -> None:
    """From a webhook to the offer on an agent's screen, beside an echo through the same log."""
    from services.bench.latency import LatencyPlan, measure_latency

    plan = LatencyPlan(**options)
    _run(lambda places, folder: measure_latency(plan, places, folder), logs, json_path)


@bench.command()
@_log
@_json
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="How many runs.")
@_together
@_store
@click.option("--lives", type=click.IntRange(1), default=1_000, show_default=True, help="That count, in a run.")
@click.option("--customers", type=click.IntRange(1), default=64, show_default=True, help="At once.")
@click.option("--agents", type=click.IntRange(1), default=32, show_default=True, help="Who share them.")
def life(logs: Sequence[str], json_path: Path | None, **options: Any) -> None:
    """Whole lives of contacts per second: webhook, offer, accept, reply, resolve, follow-up mail."""
    from services.bench.life import LifePlan, measure_life

    plan = LifePlan(**options)
    _run(lambda places, folder: measure_life(plan, places, folder), logs, json_path)


def _run(measure: Measure, logs: Sequence[str], json_path: Path | None) -> None:
    from libs.common.lifecycle import run_process
    from libs.common.logging import configure_logging
    from services.bench.logs import parse_place

    configure_logging("warning")
    with tempfile.TemporaryDirectory(prefix="centralino-bench-") as scratch:
        folder = Path(scratch)
        places = [parse_place(url) for url in logs or (f"sqlite:///{folder / 'logs'}",)]
        report: Report | None = None

        async def main() -> int:
            nonlocal report
            report = await measure(places, folder)
            return 0

        run_process(main())
    assert report is not None
    click.echo(report.as_table())
    if json_path is not None:
        json_path.write_text(json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n")
