"""`centralino simulate`: the router's own core in virtual time. Touches no log that it was not given, and writes to none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from libs.common.errors import RefusedError
from libs.common.settings import CommonSettings
from services.cli.rehearsing import by_share, progress_bar, read_from_log, time_option, write_text
from services.cli.surroundings import read_configuration

if TYPE_CHECKING:
    from libs.common.configuration import Configuration
    from services.router.simulator.cases import Case
    from services.router.simulator.measures import Outcome
    from services.router.simulator.proof import CaseResult

_PROOF_CONTACTS = 300_000
_SWEEP_SHARE = 4  # A point of the chart of rising load needs less than a row of the tables.
_PROOF_PAGE = "proof.md"
_PROOF_IMAGES = "images"
_WAITS_PAGE = "waits.md"
_SCENARIO_RUNS = 5
_RECORDING_RUNS = 1
_STEPS = 1_000

_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--scenario", type=_file, help="Simulate what this file describes.")
@click.option("--log", help="Simulate what this event log holds: sqlite:///path or kafka://host:9092.")
@click.option("--data", type=click.Path(path_type=Path), help="The same, of the log in this data folder.")
@click.option("--pool", help="The pool, where the log holds several.")
@click.option("--from", "from_ms", type=time_option, help="Count contacts from this time on: a day, or RFC 3339.")
@click.option("--to", "to_ms", type=time_option, help="Count contacts to before this time.")
@click.option("--policy", type=_file, help="A configuration to compare with: the same customers, another routing.")
@click.option(
    "--runs", type=click.IntRange(1, 1_000), help=f"How often ({_SCENARIO_RUNS}; of a log {_RECORDING_RUNS})."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same result.")
@click.option("--html", type=_file, help="Write one page with charts to this file, too.")
@click.option("--json", "json_path", type=_file, help="Write the result to this file, too.")
@click.option("--proof", is_flag=True, help="Compare the router with queueing theory and write the page about it.")
@click.option("--waits", is_flag=True, help="Compare expected waits with waits and write the page about it.")
@click.option("--contacts", type=click.IntRange(10_000), help=f"Of each case of the proof ({_PROOF_CONTACTS:,}).")
@click.option(
    "--docs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs"),
    show_default=True,
    help="Where the proof's page is written, with its charts below.",
)
def simulate(
    scenario: Path | None,
    log: str | None,
    data: Path | None,
    pool: str | None,
    from_ms: int | None,
    to_ms: int | None,
    policy: Path | None,
    runs: int | None,
    seed: int,
    html: Path | None,
    json_path: Path | None,
    proof: bool,
    waits: bool,
    contacts: int | None,
    docs: Path,
) -> None:
    """Try the router in virtual time: on a made-up day (--scenario), on what really happened (--log), or against theory (--proof)."""
    recorded = log is not None or data is not None
    if sum((scenario is not None, recorded, proof, waits)) != 1:
        raise RefusedError("say what to simulate: one of --scenario, --log (or --data), --proof and --waits")
    if waits:
        _compare_waits(docs, seed)
        return
    if proof:
        _prove(contacts or _PROOF_CONTACTS, docs, seed)
        return
    new = None if policy is None else _configuration(policy)
    if scenario is not None:
        if any(value is not None for value in (pool, from_ms, to_ms)):
            raise RefusedError("--pool, --from and --to are for a log; a scenario says them itself")
        title = f"Scenario {scenario.name}"
        outcomes = _rehearse_scenario(scenario, new, runs or _SCENARIO_RUNS, seed)
        count = runs or _SCENARIO_RUNS
        notes = [f"Every figure is over {count} runs, each with other chance."] if count > 1 else []
    else:
        title, outcomes, notes = _rehearse_log(log, data, pool, (from_ms, to_ms), new, runs or _RECORDING_RUNS, seed)
    _show(title, outcomes, notes, html, json_path)


def _configuration(path: Path) -> Configuration:
    configuration, warnings = read_configuration(path, os.environ)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    return configuration


def _rehearse_scenario(path: Path, policy: Configuration | None, runs: int, seed: int) -> list[Outcome]:
    from services.router.simulator.rehearsal import rehearse_scenario
    from services.router.simulator.scenario import load_scenario
    from services.router.simulator.scenario_plan import configuration_path

    scenario = load_scenario(path)
    configuration = _configuration(configuration_path(scenario, path))
    with progress_bar("simulating", _STEPS) as advance:
        return rehearse_scenario(scenario, configuration, policy, runs, seed, by_share(advance, _STEPS))


def _rehearse_log(
    log: str | None,
    data: Path | None,
    pool: str | None,
    window: tuple[int | None, int | None],
    policy: Configuration | None,
    runs: int,
    seed: int,
) -> tuple[str, list[Outcome], list[str]]:
    from libs.common.clock import rfc3339
    from services.router.simulator.rehearsal import rehearse_recording

    recording = read_from_log(CommonSettings, log, data, pool, window)
    with progress_bar("simulating", _STEPS) as advance:
        outcomes, notes = rehearse_recording(recording, policy, runs, seed, by_share(advance, _STEPS))
    title = f"Pool {recording.pool}, {rfc3339(recording.from_ms)} to {rfc3339(recording.to_ms)}"
    return title, outcomes, notes


def _show(
    title: str, outcomes: Sequence[Outcome], notes: Sequence[str], html: Path | None, json_path: Path | None
) -> None:
    from services.router.simulator.comparison import as_json, render_page, render_text

    click.echo(render_text(title, outcomes, notes))
    if html is not None:
        write_text(html, "--html", render_page(title, outcomes, notes))
    if json_path is not None:
        document = {"title": title, "notes": list(notes), "outcomes": as_json(outcomes)}
        write_text(json_path, "--json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _prove(contacts: int, docs: Path, seed: int) -> None:
    from services.router.simulator.cases import all_cases
    from services.router.simulator.proof_document import render_charts, render_proof, sweep_cases

    images = docs / _PROOF_IMAGES
    try:
        images.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefusedError(f"--docs: {images} cannot be made: {error.strerror}") from error
    cases, sweep = all_cases(), sweep_cases()
    fewer = contacts // _SWEEP_SHARE
    with progress_bar("simulating", contacts * len(cases) + fewer * len(sweep)) as advance:
        results = [_simulate_case(case, contacts, seed, advance) for case in cases]
        swept = [_simulate_case(case, fewer, seed, advance) for case in sweep]
    for name, text in render_charts(results, swept).items():
        write_text(images / name, "--docs", text + "\n")
    page = docs / _PROOF_PAGE
    write_text(page, "--docs", render_proof(results, seed, _PROOF_IMAGES))


def _compare_waits(docs: Path, seed: int) -> None:
    from services.router.simulator.wait_cases import all_wait_cases, simulate_waits
    from services.router.simulator.wait_document import render_waits

    cases = all_wait_cases()
    results = []
    with progress_bar("simulating", len(cases)) as advance:
        for case in cases:
            results.append(simulate_waits(case, seed))
            advance(1)
    docs.mkdir(parents=True, exist_ok=True)
    write_text(docs / _WAITS_PAGE, "--docs", render_waits(results, seed, f"centralino simulate --waits --seed {seed}"))


def _simulate_case(case: Case, contacts: int, seed: int, advance: Callable[[int], None]) -> CaseResult:
    from services.router.simulator.proof import simulate_case

    told = 0

    def progress(count: int) -> None:
        nonlocal told
        advance(count - told)
        told = count

    result = simulate_case(case, contacts, seed, progress)
    progress(contacts)
    return result
