"""`centralino replay`: decide again what the router decided, and say whether it comes out the same. Writes nothing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from libs.common.errors import RefusedError
from libs.common.settings import CommonSettings
from services.cli.surroundings import check_log_exists, read_settings

if TYPE_CHECKING:
    from services.router.replay import ReplayReport


@click.command()
@click.option("--log", help="The event log: sqlite:///path or kafka://host:9092 (CENTRALINO_LOG).")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder (CENTRALINO_DATA, ./data).")
@click.option("--partition", type=click.IntRange(0), help="One partition; all of them where nothing is said.")
@click.option("--pool", help="One pool.")
@click.option("--check", is_flag=True, help="Exit code 1 where something comes out otherwise.")
def replay(log: str | None, data: Path | None, partition: int | None, pool: str | None, check: bool) -> None:
    """Decide again over the inputs on the log, and compare with the facts on it: the first difference, if there is one."""
    if partition is not None and pool is not None:
        raise RefusedError("--partition and --pool: a pool is in one partition, name one of the two")
    settings = read_settings(CommonSettings, {"log": log, "data": data})
    check_log_exists(settings.log)
    reports = asyncio.run(_replay(settings, partition, pool))
    for report in reports:
        click.echo(_render(report))
    if check and any(report.difference is not None for report in reports):
        sys.exit(1)


async def _replay(settings: CommonSettings, partition: int | None, pool: str | None) -> list[ReplayReport]:
    from libs.common.log.open import open_log
    from libs.common.log.streams import ROUTING_INPUTS, partition_of
    from services.router.replay import replay_partition

    log = open_log(settings.log, settings.partitions, settings.retention_days)
    try:
        await log.connect()
        count = log.partitions(ROUTING_INPUTS)
        if pool is not None:
            numbers = [partition_of(pool, count)]
        elif partition is not None:
            if partition >= count:
                raise RefusedError(f"--partition {partition}: the log has the partitions 0 to {count - 1}")
            numbers = [partition]
        else:
            numbers = list(range(count))
        return [await replay_partition(log, number, pool=pool) for number in numbers]
    finally:
        await log.close()


def _render(report: ReplayReport) -> str:
    beginning = f"snapshot {report.snapshot}" if report.snapshot else "the beginning"
    lines = [
        f"partition {report.partition}: {report.inputs} inputs decided again from {beginning}, "
        f"{report.facts.total()} facts, {report.undecided} not decided yet"
    ]
    if report.poison:
        lines.append(f"  {report.poison} inputs could not be read; they are among the dead letters")
    if report.fenced:
        lines.append(f"  {report.fenced} records of deposed writers count for nobody")
    lines += [f"  {count:8} {name}" for name, count in sorted(report.facts.items())]
    lines.append("  the same as on the log" if report.difference is None else report.difference.describe())
    return "\n".join(lines)
