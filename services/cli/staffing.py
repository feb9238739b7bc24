"""`centralino staffing`: how many people keep what is promised. Reads a scenario or a log, and writes to none."""

from __future__ import annotations

import json
import os
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from libs.common.configuration.durations import parse_duration_ms
from libs.common.errors import RefusedError
from libs.common.settings import CommonSettings
from services.cli.rehearsing import by_share, progress_bar, read_from_log, time_option, write_text
from services.cli.surroundings import read_configuration

if TYPE_CHECKING:
    from services.router.simulator.demand import Demand

_STEPS = 1_000
_MINUTE_MS = 60_000
_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--scenario", type=_file, help="Staff what this file describes, for the promises in it.")
@click.option("--log", help="Staff an average day of what this event log holds: sqlite:///path or kafka://host:9092.")
@click.option("--data", type=click.Path(path_type=Path), help="The same, of the log in this data folder.")
@click.option("--pool", help="The pool, where the log holds several.")
@click.option("--from", "from_ms", type=time_option, help="Of a log: contacts from this time on (a day, or RFC 3339).")
@click.option("--to", "to_ms", type=time_option, help="Of a log: contacts to before this time.")
@click.option(
    "--policy", type=_file, help="Of a log: people and queues of this configuration, not of the log's last one."
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.8,
    show_default=True,
    help="Of a log: how many in time.",
)
@click.option("--within", help="Of a log: in time is within this, such as 30s (each queue's target).")
@click.option("--interval", default="30m", show_default=True, help="Of a log: the length of an interval.")
@click.option("--timezone", default="UTC", show_default=True, help="Of a log: where clocks show the intervals' hours.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same result.")
@click.option("--html", type=_file, help="Write one page with charts to this file, too.")
@click.option("--json", "json_path", type=_file, help="Write the result to this file, too.")
def staffing(
    scenario: Path | None,
    log: str | None,
    data: Path | None,
    pool: str | None,
    from_ms: int | None,
    to_ms: int | None,
    policy: Path | None,
    share: float,
    within: str | None,
    interval: str,
    timezone: str,
    seed: int,
    html: Path | None,
    json_path: Path | None,
) -> None:
    """How many people each interval needs: by formula for each queue by itself, and by simulation where people share skills."""
    from services.router.simulator.staffing import staff
    from services.router.simulator.staffing_document import as_json, render_page, render_text

    recorded = log is not None or data is not None
    if (scenario is not None) == recorded:
        raise RefusedError("say what to staff: one of --scenario and --log (or --data)")
    if scenario is not None:
        title, demand = f"Staffing for {scenario.name}", _scenario_demand(scenario)
    else:
        window = (from_ms, to_ms)
        promise = (share, None if within is None else _duration_ms("--within", within))
        interval_ms = _duration_ms("--interval", interval)
        title, demand = _log_demand(log, data, pool, window, policy, promise, interval_ms, _zone(timezone))
    with progress_bar("staffing", _STEPS) as advance:
        found = staff(demand, seed, by_share(advance, _STEPS))
    click.echo(render_text(title, found))
    if html is not None:
        write_text(html, "--html", render_page(title, found))
    if json_path is not None:
        write_text(json_path, "--json", json.dumps(as_json(found), indent=2, ensure_ascii=False) + "\n")


def _scenario_demand(path: Path) -> Demand:
    from services.router.simulator.demand import scenario_demand
    from services.router.simulator.scenario import load_scenario
    from services.router.simulator.scenario_plan import configuration_path

    scenario = load_scenario(path)
    configuration, _ = read_configuration(configuration_path(scenario, path), os.environ)
    return scenario_demand(scenario, configuration)


def _log_demand(
    log: str | None,
    data: Path | None,
    pool: str | None,
    window: tuple[int | None, int | None],
    policy: Path | None,
    promise: tuple[float, int | None],
    interval_ms: int,
    zone: zoneinfo.ZoneInfo,
) -> tuple[str, Demand]:
    from services.router.pools import pool_configuration
    from services.router.simulator.demand import recording_demand
    from services.router.simulator.scenario import Promise

    recording = read_from_log(CommonSettings, log, data, pool, window)
    if policy is None:
        configured = recording.newest_configuration()
    else:
        configuration, _ = read_configuration(policy, os.environ)
        if recording.pool not in configuration.pools:
            raise RefusedError(f"--policy: the configuration has no pool {recording.pool}")
        configured = pool_configuration(configuration, recording.pool)
    share, within_ms = promise
    demand = recording_demand(
        recording,
        configured,
        interval_ms=interval_ms,
        zone=zone,
        promise=Promise(share=share, within=within_ms),
    )
    return f"Staffing for an average day of the pool {recording.pool}", demand


def _duration_ms(option: str, text: str) -> int:
    try:
        duration_ms = parse_duration_ms(text)
    except ValueError as error:
        raise RefusedError(f"{option}: {error}") from error
    if option == "--interval" and duration_ms < _MINUTE_MS:
        raise RefusedError("--interval: must be at least 1m")
    if duration_ms < 1_000:
        raise RefusedError(f"{option}: must be at least 1s")
    return duration_ms


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RefusedError("--timezone: unknown time zone; use a name such as Europe/Rome") from error
