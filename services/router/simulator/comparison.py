"""Outcomes side by side: as text for a terminal, as one HTML page for a browser, as JSON for programs. Shows, and computes nothing new."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

from services.router.simulator import charts
from services.router.simulator.accuracy import Accuracy
from services.router.simulator.charts import Bars, Chart, Series
from services.router.simulator.measures import Group, Outcome
from services.router.simulator.pages import render_template

NOTHING: Final = "-"
_CURVE_POINTS: Final = 60
_GROUP_CURVES_MAX: Final = 12
_HOUR_MS: Final = 3_600_000

# See `Accuracy`.
ACCURACY_COLUMNS: Final = ("told", "wait", "bias", "mean error", "median error", "within 25%", "within 50%")

_Cell = Callable[[Group], str]
_COLUMNS: Final[tuple[tuple[str, _Cell], ...]] = (
    ("contacts", lambda group: f"{group.contacts:,}"),
    ("answered", lambda group: f"{group.answered:,}"),
    ("left", lambda group: f"{group.left:,}"),
    ("waiting", lambda group: f"{group.waiting:,}"),
    ("in time", lambda group: as_share(group.service_level)),
    ("wait", lambda group: as_time(group.mean_wait_ms)),
    ("median", lambda group: as_time(group.wait_percentile_ms(0.5))),
    ("90%", lambda group: as_time(group.wait_percentile_ms(0.9))),
    ("95%", lambda group: as_time(group.wait_percentile_ms(0.95))),
    ("longest", lambda group: as_time(group.wait_percentile_ms(1.0))),
)


def as_share(share: float | None) -> str:
    """A share in percent."""
    return NOTHING if share is None else f"{share * 100:.1f}%"


def as_time(length_ms: float | None) -> str:
    """A length of time, as exact as is of use."""
    if length_ms is None:
        return NOTHING
    seconds = length_ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def place_of(group: Group) -> str:
    """Queue and channel."""
    return "all" if group.queue is None else f"{group.queue}, {group.channel}"


def places(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Group | None]]]:
    """Every queue and channel that occurs, all first, with the group of each outcome there."""
    names = sorted({(group.queue or "", group.channel or "") for outcome in outcomes for group in outcome.groups})
    rows: list[tuple[str, list[Group | None]]] = [("all", [outcome.all for outcome in outcomes])]
    for queue, channel in names:
        found = [
            next((group for group in outcome.groups if (group.queue, group.channel) == (queue, channel)), None)
            for outcome in outcomes
        ]
        rows.append((f"{queue}, {channel}", found))
    return rows


def contact_table(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """A header, then for every place a row for each outcome."""
    rows = [["queue, channel", "", *(name for name, _ in _COLUMNS)]]
    for place, groups in places(outcomes):
        for outcome, group in zip(outcomes, groups, strict=True):
            cells = [NOTHING] * len(_COLUMNS) if group is None else [cell(group) for _, cell in _COLUMNS]
            rows.append([place, outcome.name, *cells])
    return rows


def people_table(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """A header, then a row for each outcome: how busy people were, and how evenly."""
    rows = [["", "people", "hours available", "occupancy", "in hand", "fairness (Jain)", "in time, with error"]]
    for outcome in outcomes:
        available_ms = sum(agent.available_ms for agent in outcome.agents)
        load = sum(agent.load * agent.available_ms for agent in outcome.agents) / available_ms if available_ms else 0.0
        error = outcome.service_level_error
        hours = available_ms / outcome.runs / _HOUR_MS
        rows.append(
            [
                outcome.name,
                str(len(outcome.agents)),
                f"{hours:,.1f}" if hours >= 10 else f"{hours:.2f}",
                as_share(outcome.occupancy),
                f"{load:.2f}",
                NOTHING if outcome.fairness is None else f"{outcome.fairness:.3f}",
                as_share(outcome.all.service_level) + ("" if error is None else f" ±{error * 100:.1f}%"),
            ]
        )
    return rows


def accuracy_table(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """A header, then rows by outcome and queue: how near what was said of waits came. The header alone where nothing was said."""
    rows = [["expected waits", "", *ACCURACY_COLUMNS]]
    for outcome in outcomes:
        rows += [[one.queue or "all", outcome.name, *accuracy_cells(one)] for one in outcome.accuracies]
    return rows


def accuracy_cells(accuracy: Accuracy) -> list[str]:
    """One accuracy as a row, without what it is of."""
    bias = accuracy.bias
    return [
        f"{accuracy.told:,}",
        as_time(accuracy.mean_wait_ms),
        NOTHING if bias is None else f"{bias * 100:+.1f}%",
        as_time(accuracy.error_ms),
        as_share(accuracy.relative_error),
        as_share(accuracy.within_quarter),
        as_share(accuracy.within_half),
    ]


def as_text(table: Sequence[Sequence[str]], *, left: int) -> str:
    """A table for a terminal; the first `left` columns are words, the others numbers."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([line(table[0]), "  ".join("-" * width for width in widths), *map(line, table[1:])])


def render_text(title: str, outcomes: Sequence[Outcome], notes: Sequence[str]) -> str:
    """Everything for a terminal."""
    parts = [
        title,
        "",
        as_text(contact_table(outcomes), left=2),
        "",
        as_text(people_table(outcomes), left=1),
        *(["", as_text(told, left=2)] if len(told := accuracy_table(outcomes)) > 1 else []),
        *(["", *(f"note: {note}" for note in notes)] if notes else []),
    ]
    return "\n".join(parts)


def render_page(title: str, outcomes: Sequence[Outcome], notes: Sequence[str]) -> str:
    """One HTML page that needs nothing else: no network, no script."""
    told = accuracy_table(outcomes)
    return render_template(
        "comparison.html",
        title=title,
        style=charts.STYLE,
        notes=notes,
        tables=[
            {"caption": "Contacts", "left": 2, "rows": contact_table(outcomes)},
            {"caption": "People", "left": 1, "rows": people_table(outcomes)},
            *([{"caption": "Expected waits", "left": 2, "rows": told}] if len(told) > 1 else []),
        ],
        drawings=[_levels(outcomes), *_waits(outcomes), _occupancies(outcomes)],
    )


def _levels(outcomes: Sequence[Outcome]) -> str:
    rows = places(outcomes)
    values: list[list[float | None]] = [
        [None if groups[number] is None else _level(groups[number]) for _, groups in rows]
        for number in range(len(outcomes))
    ]
    return charts.render_bars(
        Bars(
            title="Answered in time",
            description="The share of contacts answered by their due time, by queue and channel.",
            y_label="share",
            groups=[place for place, _ in rows],
            series=[outcome.name for outcome in outcomes],
            values=values,
            y_text=charts.as_percent,
            y_to=1.0,
        )
    )


def _level(group: Group | None) -> float | None:
    return None if group is None else group.service_level


def _waits(outcomes: Sequence[Outcome]) -> list[str]:
    drawn = []
    for place, groups in places(outcomes)[: _GROUP_CURVES_MAX + 1]:
        longest = max((group.wait_percentile_ms(0.99) or 0 for group in groups if group is not None), default=0)
        points = [longest * index / _CURVE_POINTS for index in range(_CURVE_POINTS + 1)]
        minutes = longest > 300_000
        series = [
            Series(
                name=outcome.name,
                points=[
                    (point / (60_000 if minutes else 1_000), group.share_waiting_longer(point)) for point in points
                ],
            )
            for outcome, group in zip(outcomes, groups, strict=True)
            if group is not None
        ]
        drawn.append(
            charts.render_chart(
                Chart(
                    title=f"Waits: {place}",
                    description="The share of answered contacts that waited longer than so long.",
                    x_label="minutes" if minutes else "seconds",
                    y_label="share that waited longer",
                    series=series,
                    y_text=charts.as_percent,
                    y_from=0.0,
                    y_to=1.0,
                )
            )
        )
    return drawn


def _occupancies(outcomes: Sequence[Outcome]) -> str:
    return charts.render_chart(
        Chart(
            title="Occupancy of each agent",
            description="Agents from the least to the most busy; a level line is an even share of the work.",
            x_label="agents, from the least busy to the most",
            y_label="occupancy",
            series=[
                Series(
                    name=outcome.name,
                    points=_levels_of(sorted(agent.occupancy for agent in outcome.agents)),
                    kind="steps",
                )
                for outcome in outcomes
            ],
            x_ticks=_whole_numbers(max((len(outcome.agents) for outcome in outcomes), default=0)),
            y_text=charts.as_percent,
            y_from=0.0,
            y_to=1.0,
        )
    )


def _levels_of(values: Sequence[float]) -> list[tuple[float, float]]:
    """Steps with the first value around 1, the second around 2 ..."""
    steps = [(place + 0.5, value) for place, value in enumerate(values)]
    return [*steps, (len(values) + 0.5, values[-1])] if values else []


def _whole_numbers(highest: int) -> list[float]:
    every = max(1, highest // 10)
    return [float(number) for number in range(1, highest + 1) if number == 1 or number % every == 0]


def as_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            "name": outcome.name,
            "runs": outcome.runs,
            "occupancy": outcome.occupancy,
            "fairness": outcome.fairness,
            "service_level_error": outcome.service_level_error,
            "expected_waits": [dataclasses.asdict(accuracy) for accuracy in outcome.accuracies],
            "groups": [_group_json(group) for group in (outcome.all, *outcome.groups)],
            "agents": [
                {
                    "id": agent.agent_id,
                    "available_ms": agent.available_ms,
                    "occupancy": agent.occupancy,
                    "in_hand": agent.load,
                    "handled": agent.handled,
                }
                for agent in outcome.agents
            ],
        }
        for outcome in outcomes
    ]


def _group_json(group: Group) -> dict[str, Any]:
    return {
        "queue": group.queue,
        "channel": group.channel,
        "contacts": group.contacts,
        "answered": group.answered,
        "left": group.left,
        "waiting": group.waiting,
        "answered_within_target": group.within,
        "service_level": group.service_level,
        "mean_wait_ms": group.mean_wait_ms,
        "wait_ms": {f"p{round(share * 100)}": group.wait_percentile_ms(share) for share in (0.5, 0.9, 0.95, 1.0)},
    }
