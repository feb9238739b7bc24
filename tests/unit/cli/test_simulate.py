"""`centralino simulate` through its own command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli.commands import centralino
from services.router.simulator.cases import erlang_c_case, priority_case
from services.router.simulator.proof import simulate_case
from services.router.simulator.proof_document import render_charts, render_proof, sweep_cases


def run(*arguments: str) -> Result:
    return CliRunner().invoke(centralino, ["simulate", *arguments])


def test_nothing_to_simulate_is_told() -> None:
    result = run()

    assert result.exit_code == 2
    assert "say what to simulate" in result.stderr


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "images").write_text("a file")

    result = run("--proof", "--docs", str(tmp_path / "docs"))

    assert result.exit_code == 2
    assert "--docs" in result.stderr


@pytest.mark.parametrize("contacts", [300])
def test_the_page_has_every_measure_and_its_charts(contacts: int) -> None:
    # given short runs
    cases = (erlang_c_case(10, 8.0), erlang_c_case(20, 18.0), priority_case(10, (3.0, 3.0, 3.0)))
    results = [simulate_case(case, contacts, 1) for case in cases]
    sweep = [simulate_case(case, contacts, 1) for case in sweep_cases()]

    # when
    page, charts = render_proof(results, 1, "images"), render_charts(results, sweep)

    # then
    assert "300 contacts" in page
    assert page.count("| 10 agents, load 8 |") == 4
    assert page.count("| 10 agents, loads 3, 3, 3 | mean wait, class ") == 3
    assert all(f"](images/{name})" in page for name in charts)
    assert "\n\n## Erlang C\n\n" in page


def test_a_scenario_is_compared_with_another_configuration(tmp_path: Path) -> None:
    # given the example
    folder = Path(__file__).parents[3] / "deploy/examples/simulation"
    page = tmp_path / "page.html"

    # when
    result = run(
        *("--scenario", str(folder / "scenario.yaml"), "--policy", str(folder / "everybody-knows-orders.yaml")),
        *("--runs", "1", "--html", str(page)),
    )

    # then
    assert result.exit_code == 0, result.output
    assert "orders, webchat" in result.stdout
    assert "simulated, new configuration" in page.read_text()


def test_a_scenario_that_is_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("configuration: c.yaml\nstart: 2026-03-02\ncontacts: []\n")

    result = run("--scenario", str(tmp_path / "s.yaml"))

    assert result.exit_code == 2
    assert "s.yaml:3:11: contacts: must not be empty" in result.stderr


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / "deploy/examples/simulation/scenario.yaml"

    result = run("--scenario", str(example), "--runs", "1", "--html", str(tmp_path / "none" / "page.html"))

    assert result.exit_code == 2
    assert "--html" in result.stderr
