"""`centralino staffing` through its own command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli.commands import centralino

EXAMPLES = Path(__file__).parents[3] / "deploy/examples/simulation"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(centralino, ["staffing", *arguments])


def test_the_example_is_staffed(tmp_path: Path) -> None:
    result = run("--scenario", str(EXAMPLES / "scenario.yaml"), "--json", str(tmp_path / "s.json"))

    assert result.exit_code == 0, result.output
    assert "Mon 02 Mar 09:00-12:00" in result.stdout
    document = json.loads((tmp_path / "s.json").read_text())
    assert {len(interval["crews"]) for interval in document["intervals"]} == {2}
    assert all(share >= 0.8 for interval in document["intervals"] for share in interval["in_time"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to staff"),
        (["--scenario", "none.yaml"], "none.yaml"),
        (["--log", "sqlite:///none.db"], "there is no such file"),
        (["--log", "sqlite:///none.db", "--within", "soon"], "--within: must be a duration"),
        (["--log", "sqlite:///none.db", "--interval", "10s"], "--interval: must be at least 1m"),
        (["--log", "sqlite:///none.db", "--timezone", "Rome"], "--timezone: unknown time zone"),
    ],
)
def test_what_cannot_be_is_told(arguments: list[str], message: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert message in result.stderr
