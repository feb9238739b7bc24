"""`centralino simulate`: the router's own core in virtual time. Touches no log that it was not given, and writes to none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from libs.common.errors import RefusedError

if TYPE_CHECKING:
    from services.router.simulator.cases import Case
    from services.router.simulator.proof import CaseResult

_PROOF_CONTACTS = 300_000
_SWEEP_SHARE = 4  # A point of the chart of rising load needs less than a row of the tables.
_PROOF_PAGE = "proof.md"
_PROOF_IMAGES = "images"


@click.command()
@click.option("--proof", is_flag=True, help="Compare the router with queueing theory and write the page about it.")
@click.option(
    "--contacts",
    type=click.IntRange(10_000),
    help=f"Of each case of the proof ({_PROOF_CONTACTS:,}).",
)
@click.option(
    "--docs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs"),
    show_default=True,
    help="Where the proof's page is written, with its charts below.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same result.")
def simulate(proof: bool, contacts: int | None, docs: Path, seed: int) -> None:
    """Try the router in virtual time: against theory (--proof)."""
    if not proof:
        raise RefusedError("say what to simulate: --proof")
    _prove(contacts or _PROOF_CONTACTS, docs, seed)


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
    with _progress("simulating", contacts * len(cases) + fewer * len(sweep)) as advance:
        results = [_simulate_case(case, contacts, seed, advance) for case in cases]
        swept = [_simulate_case(case, fewer, seed, advance) for case in sweep]
    for name, text in render_charts(results, swept).items():
        (images / name).write_text(text + "\n", encoding="utf-8")
    page = docs / _PROOF_PAGE
    page.write_text(render_proof(results, seed, _PROOF_IMAGES), encoding="utf-8")
    click.echo(f"wrote {page}")


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


@contextmanager
def _progress(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal."""
    stream = sys.stderr
    with click.progressbar(length=length, label=label, file=stream, hidden=not stream.isatty()) as bar:

        def advance(steps: int) -> None:
            bar.update(steps)

        yield advance
