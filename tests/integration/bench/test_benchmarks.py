"""Each benchmark as its user runs it, with small numbers: that it measures what it says, not how much."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from services.cli.commands import centralino
from tests.parts.kafka import KafkaBroker

Bench = Callable[..., dict[str, Any]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """`bench("webhooks", "--requests=20")` runs `centralino bench ...` and gives its JSON."""

    def run(*arguments: str) -> dict[str, Any]:
        path = tmp_path / "result.json"
        result = CliRunner().invoke(
            centralino, ["bench", *arguments, f"--json={path}"], catch_exceptions=False, standalone_mode=False
        )
        assert result.exit_code == 0, result.output
        document: dict[str, Any] = json.loads(path.read_text())
        assert document["machine"]["cores"] >= 1
        # What people see is the same.
        for figure in document["figures"]:
            assert figure["subject"] in result.output
            assert figure["lowest"] <= figure["median"] <= figure["highest"]
        return document

    return run


def measures(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(figure["log"], figure["subject"], figure["measure"]) for figure in document["figures"]}


def test_webhooks_on_both_logs(bench: Bench, kafka_broker: KafkaBroker, tmp_path: Path):
    logs = (f"--log=sqlite:///{tmp_path / 'logs'}", f"--log={kafka_broker.url}")
    document = bench("webhooks", *logs, "--requests=20", "--rounds=2", "--connections=4")

    assert document["parameters"] == {"requests": 20, "rounds": 2, "connections": 4}
    subjects = ("ingest, Twilio form", "ingest, Telegram JSON", "bare FastAPI route", "load generator alone")
    compared = tuple(f"{subject}, to the bare route" for subject in subjects[:2])
    assert measures(document) == {
        (log, subject, measure)
        for log in ("sqlite", "kafka")
        for subject in (*subjects, *compared)
        for measure in ("throughput", "p50", "p99", "processor time")
    }
    assert all(len(figure["runs"]) == 2 for figure in document["figures"])


def test_router_on_both_logs(bench: Bench, kafka_broker: KafkaBroker, tmp_path: Path):
    document = bench(
        "router",
        f"--log=sqlite:///{tmp_path / 'logs'}",
        f"--log={kafka_broker.url}",
        "--inputs=300",
        "--agents=20",
        "--rounds=1",
        "--core-inputs=50",
        "--core-agents=10",
        "--memory-agents=20",
    )

    throughput = {figure["log"]: figure for figure in document["figures"] if figure["subject"] == "router's worker"}
    assert set(throughput) == {"sqlite", "kafka"}
    assert {("", "core, 10 agents, overload", "p99.9"), ("kafka", "bare read, copy, append", "throughput")} <= measures(
        document
    )
    # The log's files are gone.
    assert list((tmp_path / "logs").iterdir()) == []


def test_recovery_on_sqlite(bench: Bench, tmp_path: Path):
    document = bench(
        "recovery", f"--log=sqlite:///{tmp_path / 'logs'}", "--agents=20", "--waiting=300", "--tail=40", "--rounds=2"
    )

    assert measures(document) == {
        ("sqlite", "router's recovery", measure)
        for measure in ("until the first decision", "processor time", "longest pause of all else")
    }


def test_latency_on_kafka(bench: Bench, kafka_broker: KafkaBroker):
    document = bench("latency", f"--log={kafka_broker.url}", "--rate=20", "--seconds=1", "--rounds=1")

    subjects = (
        "webhook accepted to offer on the screen",
        "webhook posted to offer on the screen",
        "bare echo, input to reader",
    )
    assert {("kafka", subject, measure) for subject in subjects for measure in ("p50", "p99")} <= measures(document)
    posted = next(figure for figure in document["figures"] if figure["subject"] == subjects[1])
    assert posted["median"] > 0


def test_lives_in_one_process(bench: Bench):
    document = bench("life", "--together", "--lives=4", "--customers=2", "--agents=2", "--rounds=1")

    figures = {(figure["subject"], figure["measure"]): figure["median"] for figure in document["figures"]}
    assert figures["whole lives", "throughput"] > 0
    # The acknowledgement, the reply and the follow-up.
    assert figures["mails", "taken by the mail server"] == 3
    assert {"offer", "accept", "reply", "resolve", "follow-up mail", "whole life"} <= {
        subject for subject, _ in figures
    }


def test_a_log_that_cannot_be_measured_is_refused():
    result = CliRunner().invoke(centralino, ["bench", "webhooks", "--log=memory:"])

    assert result.exit_code == 2
    assert "sqlite:///FOLDER" in result.output
