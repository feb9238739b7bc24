"""The proof as a document: one page of Markdown with its charts. Made by `centralino simulate --proof`; nobody edits it by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from services.router.simulator import theory
from services.router.simulator.cases import MINUTE_MS, Case, erlang_a_case, erlang_c_case
from services.router.simulator.charts import Bars, Chart, Series, as_percent, render_bars, render_chart
from services.router.simulator.pages import render_template
from services.router.simulator.proof import CaseResult, Comparison, wait_shares

_LIMIT: Final = 3.0
_CHANCE_BEYOND: Final = 0.0062  # Of Student's t with 24 degrees of freedom.
_SWEEP_SERVERS: Final = 10
_SWEEP_PATIENCE_MIN: Final = 2.0
_SWEEP_LOADS: Final = (5.0, 6.0, 7.0, 7.5, 8.0, 8.5, 9.0, 9.3)
_MEASURES: Final = {
    "wait": "mean wait",
    "waiting": "share that waits",
    "leaving": "share that leaves",
    "within": "answered within 20 s",
    "occupancy": "occupancy",
}

_FAMILIES: Final = {
    "Erlang C": "Customers arrive at random, handling times are exponential, and nobody leaves (M/M/n).",
    "Erlang A": (
        "The same, and who waits leaves after an exponential time (M/M/n+M). The mean wait is that of all customers, those who left\n"
        "included; within 20 s are those who were answered in that time, of all."
    ),
    "Erlang B": (
        "Patience is zero: who finds everybody busy is gone (M/G/n/n). However handling times vary, the share is the same."
    ),
    "Cobham": (
        "Static priorities. The router has none of its own: it takes the earliest due time first. **Where the targets of queues lie\n"
        "further apart than anybody ever waits, that is the same thing.** Here they lie a week apart, and waits are of minutes."
    ),
    "Conservation": (
        "Targets that lie near to one another, as real ones do. No formula says who waits how long then. But with equally long handling\n"
        "times no order of service changes the mean wait over all customers, nor the share of those who wait, as long as nobody is idle\n"
        "while somebody waits."
    ),
    "Pollaczek-Khinchine": "One agent, and handling times that vary little or much (M/G/1).",
    "Skills": (
        "Agents who may take some queues and not others. What must come out under first come, first served and longest idle first\n"
        "follows from the product form that Visschers, Adan and Weiss found in 2012."
    ),
}


def sweep_cases() -> tuple[Case, ...]:
    """Ten agents under rising load, with and without patience: for the first chart."""
    return (
        *(erlang_c_case(_SWEEP_SERVERS, load) for load in _SWEEP_LOADS),
        *(erlang_a_case(_SWEEP_SERVERS, load, _SWEEP_PATIENCE_MIN) for load in _SWEEP_LOADS),
    )


def render_proof(results: Sequence[CaseResult], seed: int, images: str) -> str:
    """The page. `images`: the folder of the charts, as seen from the page."""
    comparisons = [comparison for result in results for comparison in result.comparisons]
    within = sum(abs(comparison.distance) <= _LIMIT for comparison in comparisons)
    spread = math.sqrt(sum(one.distance**2 for one in comparisons) / len(comparisons))
    return render_template(
        "proof.md",
        contacts=f"{results[0].contacts:,}",
        seed=seed,
        within=within,
        measures=len(comparisons),
        chance=f"{len(comparisons) * _CHANCE_BEYOND:.1f}",
        spread=f"{spread:.2f}",
        images=images,
        families=[
            {"name": name, "text": text, "rows": [_row(one) for one in comparisons if one.case.family == name]}
            for name, text in _FAMILIES.items()
        ],
    )


def _row(one: Comparison) -> tuple[str, ...]:
    text = _seconds if one.expected.measure == "wait" else _share
    measure = _MEASURES[one.expected.measure] + (f", {one.expected.queue}" if one.expected.queue else "")
    figures = (one.expected.value, one.found.mean, one.found.error)
    return (one.case.name, measure, *map(text, figures), f"{one.distance:+.2f}")


def _seconds(value_ms: float) -> str:
    return f"{value_ms / 1000:.3f} s"


def _share(value: float) -> str:
    return f"{value * 100:.3f}%"


def render_charts(results: Sequence[CaseResult], sweep: Sequence[CaseResult]) -> dict[str, str]:
    """The charts by the name of their file."""
    return {
        "proof-distances.svg": _distances(results),
        "proof-load.svg": _rising_load(sweep),
        "proof-tail.svg": _tail(results),
        "proof-priorities.svg": _priorities(results),
    }


def _distances(results: Sequence[CaseResult]) -> str:
    points = [
        (float(number), comparison.distance)
        for number, comparison in enumerate(
            (comparison for result in results for comparison in result.comparisons), start=1
        )
    ]
    return render_chart(
        Chart(
            title="How far every measure is off",
            description=f"{len(points)} measures, in standard errors; the shaded ground reaches from -3 to 3.",
            x_label="measure, in the order of the tables",
            y_label="standard errors",
            series=[Series(name="distance", points=points, kind="points")],
            y_from=-4.0,
            y_to=4.0,
            bands=[(-_LIMIT, _LIMIT)],
        ),
        standalone=True,
    )


def _rising_load(sweep: Sequence[CaseResult]) -> str:
    loads = [4.8 + step * 0.05 for step in range(91)]
    curves: list[tuple[str, str, Callable[[float], float]]] = [
        (
            "Erlang C",
            "nobody leaves",
            lambda load: theory.mean_wait_c(_SWEEP_SERVERS, load / MINUTE_MS, MINUTE_MS),
        ),
        (
            "Erlang A",
            "patience 2 min",
            lambda load: (
                theory.erlang_a(_SWEEP_SERVERS, load / MINUTE_MS, MINUTE_MS, _SWEEP_PATIENCE_MIN * MINUTE_MS).wait
            ),
        ),
    ]
    series = []
    for family, word, wait in curves:
        found = [
            (load, next(one.found for one in result.comparisons if one.expected.measure == "wait"))
            for load, result in zip(
                _SWEEP_LOADS, (result for result in sweep if result.case.family == family), strict=True
            )
        ]
        series.append(Series(name=f"{family}, {word}: theory", points=[(load, wait(load) / 1000) for load in loads]))
        series.append(
            Series(
                name=f"{family}, {word}: simulated",
                points=[(load, estimate.mean / 1000) for load, estimate in found],
                errors=[_LIMIT * estimate.error / 1000 for _, estimate in found],
                kind="points",
            )
        )
    return render_chart(
        Chart(
            title="Mean wait of ten agents under rising load (bars: 3 standard errors)",
            description="The simulated points lie on the curves of Erlang C and Erlang A.",
            x_label="load (arrival rate times handling time)",
            y_label="mean wait, s",
            series=series,
            y_to=90.0,
        ),
        standalone=True,
    )


def _tail(results: Sequence[CaseResult]) -> str:
    seconds = [float(second) for second in range(0, 181, 2)]
    series = []
    for servers, load in ((10, 8.0), (20, 18.0)):
        rate, name = load / MINUTE_MS, f"{servers} agents, load {load:g}"
        result = next(one for one in results if one.case.family == "Erlang C" and one.case.name == name)
        found = wait_shares(result.waits_ms, [round(second * 1000) for second in seconds])
        series.append(
            Series(
                name=f"{name}: theory",
                points=[
                    (second, 1 - theory.answered_within_c(servers, rate, MINUTE_MS, second * 1000))
                    for second in seconds
                ],
            )
        )
        series.append(
            Series(name=f"{name}: simulated", points=list(zip(seconds, found, strict=True))[::5], kind="points")
        )
    return render_chart(
        Chart(
            title="How many wait longer than how long",
            description="In theory a straight line on this scale; the simulated points lie on it but for the rare longest waits.",
            x_label="seconds",
            y_label="share that waits longer",
            series=series,
            y_text=as_percent,
            y_log=True,
            y_from=0.0005,
            y_to=1.0,
        ),
        standalone=True,
    )


def _priorities(results: Sequence[CaseResult]) -> str:
    result = next(one for one in results if one.case.family == "Cobham" and one.case.servers == _SWEEP_SERVERS)
    comparisons = list(result.comparisons)
    groups = [one.expected.queue or "all" for one in comparisons]
    return render_bars(
        Bars(
            title=f"Mean wait by class: {result.case.name} (lines: 3 standard errors)",
            description="Theory and simulation side by side, by class of priority and for all together; they agree within the errors.",
            y_label="mean wait, s",
            groups=groups,
            series=["theory", "simulated"],
            values=[
                [one.expected.value / 1000 for one in comparisons],
                [one.found.mean / 1000 for one in comparisons],
            ],
            errors=[[0.0] * len(comparisons), [_LIMIT * one.found.error / 1000 for one in comparisons]],
        ),
        standalone=True,
    )
