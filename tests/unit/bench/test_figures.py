"""What a benchmark reports: medians, percentiles, ratios, and the table."""

import json

from services.bench.figures import Figure, Report, percentile, ratios


def a_figure(*runs: float, subject: str = "ingest", log: str = "sqlite") -> Figure:
    return Figure(subject=subject, measure="throughput", unit="requests/s", runs=runs, log=log)


def test_percentiles_are_values_that_were_measured():
    values = [float(value) for value in range(100, 0, -1)]

    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([7.0], 0.99) == 7


def test_a_ratio_compares_the_runs_of_the_same_round():
    # Given two subjects whose rounds were slow and quick alike.
    figure = ratios("ingest, to the bare route", a_figure(100, 10, 1000), a_figure(200, 20, 2000))

    assert figure.runs == (0.5, 0.5, 0.5)
    assert figure.unit == "times"
    assert figure.log == "sqlite"


def test_a_report_says_the_same_to_programs_and_to_people():
    report = Report(
        benchmark="webhooks",
        parameters={"rounds": 3},
        figures=[a_figure(900, 1234.5, 2000)],
        notes=["64 connections"],
        machine={"cores": 2},
    )

    document = json.loads(json.dumps(report.as_json()))
    table = report.as_table()

    [figure] = document["figures"]
    assert figure == {
        "log": "sqlite",
        "subject": "ingest",
        "measure": "throughput",
        "unit": "requests/s",
        "median": 1234.5,
        "lowest": 900,
        "highest": 2000,
        "runs": [900, 1234.5, 2000],
    }
    assert "1,234" in table
    assert "note: 64 connections" in table
    assert "cores 2" in table
