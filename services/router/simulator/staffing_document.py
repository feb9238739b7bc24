"""A staffing as text for a terminal, as one HTML page for a browser, as JSON for programs. Shows, and computes nothing new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from services.router.simulator import charts
from services.router.simulator.charts import Chart, Series
from services.router.simulator.comparison import NOTHING, as_share, as_text, as_time
from services.router.simulator.demand import Kind
from services.router.simulator.pages import render_template
from services.router.simulator.staffing import PeriodNeed, Staffing

_HOUR_MS = 3_600_000


def render_text(title: str, staffing: Staffing) -> str:
    """Everything for a terminal."""
    tables = [(caption, as_text(rows, left=1)) for caption, rows in _tables(staffing)]
    return "\n".join([title, *(f"\n{caption}\n\n{text}" for caption, text in tables)])


def render_page(title: str, staffing: Staffing) -> str:
    """One HTML page that needs nothing else: no network, no script."""
    return render_template(
        "comparison.html",
        title=title,
        style=charts.STYLE,
        notes=[],
        tables=[{"caption": caption, "left": 1, "rows": rows} for caption, rows in _tables(staffing)],
        drawings=[_people_chart(staffing), _crews_chart(staffing), _curves_chart(staffing)],
    )


def _tables(staffing: Staffing) -> list[tuple[str, list[list[str]]]]:
    return [
        ("What is promised", _promises(staffing)),
        ("Each queue by itself: people, and their occupancy", _alone_table(staffing)),
        ("With the skills that people share: people, and the share in time", _crews_table(staffing)),
        ("People with each skill", _skills_table(staffing)),
        ("The busiest time of each queue by itself: share in time by number of people", _curves_table(staffing)),
    ]


def name_of(kind: Kind) -> str:
    """Queue and channel, and what its contacts ask for beyond their queue."""
    skills = "".join(f", {skill} {level}" for skill, level in kind.skills.items())
    return f"{kind.queue}, {kind.channel}{skills}"


def _promises(staffing: Staffing) -> list[list[str]]:
    rows = [["queue, channel", "in time", "within", "a place is busy for", "patience"]]
    for kind in staffing.demand.kinds:
        patience = NOTHING if kind.patience is None else as_time(kind.patience.mean_ms)
        rows.append([name_of(kind), as_share(kind.share), as_time(kind.within_ms), as_time(kind.busy_ms), patience])
    return rows


def _spans(staffing: Staffing) -> Iterator[tuple[str, PeriodNeed]]:
    """Intervals one after the other with the same demand as one; a day that is like the one before it is not told again."""
    days: dict[str, list[PeriodNeed]] = {}
    for need in staffing.needs:
        days.setdefault(need.period.day, []).append(need)
    told: list[tuple[str, str, list[PeriodNeed]]] = []
    for day, needs in days.items():
        if told and _alike(told[-1][2], needs):
            told[-1] = (told[-1][0], day, told[-1][2])
        else:
            told.append((day, day, needs))
    for first_day, last_day, needs in told:
        words = first_day if first_day == last_day else f"{first_day} to {last_day}"
        for begin, end, need in _runs(needs):
            yield f"{words} {begin}-{end}".strip(), need


def _alike(one: Sequence[PeriodNeed], other: Sequence[PeriodNeed]) -> bool:
    return [(need.period.begin, need.period.rates) for need in one] == [
        (need.period.begin, need.period.rates) for need in other
    ]


def _runs(needs: Sequence[PeriodNeed]) -> Iterator[tuple[str, str, PeriodNeed]]:
    first = 0
    for place in range(1, len(needs) + 1):
        before = needs[place - 1].period
        if place == len(needs) or (needs[place].period.rates, needs[place].period.begin) != (before.rates, before.end):
            yield needs[first].period.begin, before.end, needs[first]
            first = place


def _alone_table(staffing: Staffing) -> list[list[str]]:
    rows = [["interval", *(name_of(kind) for kind in staffing.demand.kinds), "together"]]
    for label, need in _spans(staffing):
        cells = [NOTHING if one is None else f"{one.people} ({as_share(one.occupancy)})" for one in need.alone]
        rows.append([label, *cells, str(people_alone(need))])
    return rows


def people_alone(need: PeriodNeed) -> int:
    """Separate teams, all together."""
    return sum(one.people for one in need.alone if one is not None)


def _crews_table(staffing: Staffing) -> list[list[str]]:
    kinds = [f"in time: {name_of(kind)}" for kind in staffing.demand.kinds]
    rows = [["interval", *(f"for {crew.name}" for crew in staffing.crews), "together", *kinds]]
    for label, need in _spans(staffing):
        rows.append([label, *map(str, need.crews), str(sum(need.crews)), *map(as_share, need.kept)])
    return rows


def _skills_table(staffing: Staffing) -> list[list[str]]:
    names = sorted({skill for crew in staffing.crews for skill in crew.skills})
    rows = [["interval", *names]]
    for label, need in _spans(staffing):
        skilled = staffing.skilled(need)
        rows.append([label, *(str(skilled[name]) for name in names)])
    return rows if names else [["nobody has a skill"]]


def _curves_table(staffing: Staffing) -> list[list[str]]:
    known = [dict(curve) for curve in staffing.curves]
    counts = sorted({count for curve in known for count in curve})
    rows = [["people", *(name_of(kind) for kind in staffing.demand.kinds)]]
    rows += [[str(count), *(as_share(curve.get(count)) for curve in known)] for count in counts]
    return rows


def _people_chart(staffing: Staffing) -> str:
    return _steps(
        staffing,
        "People needed",
        "By interval: separate teams for each queue, and people who share their skills.",
        [
            ("separate teams", [people_alone(need) for need in staffing.needs]),
            ("sharing skills", [sum(need.crews) for need in staffing.needs]),
        ],
    )


def _crews_chart(staffing: Staffing) -> str:
    return _steps(
        staffing,
        "People needed, by what they may take",
        "By interval, where skills are shared.",
        [(crew.name, [need.crews[place] for need in staffing.needs]) for place, crew in enumerate(staffing.crews)],
    )


def _steps(staffing: Staffing, title: str, description: str, series: Sequence[tuple[str, Sequence[int]]]) -> str:
    # A span lasts until the next begins; the last one too.
    drawn = [
        Series(
            name=name, points=[*enumerate(map(float, values)), (float(len(values)), float(values[-1]))], kind="steps"
        )
        for name, values in series
    ]
    several = len({need.period.day for need in staffing.needs}) > 1
    labels = [need.period.label if several else need.period.begin for need in staffing.needs]
    return charts.render_chart(
        Chart(
            title=title,
            description=description,
            x_label="interval",
            y_label="people",
            series=drawn,
            x_ticks=[float(place) for place in range(0, len(labels), max(1, len(labels) // 5))],
            x_text=lambda place: labels[int(place)],
            y_whole=True,
            y_from=0.0,
        )
    )


def _curves_chart(staffing: Staffing) -> str:
    return charts.render_chart(
        Chart(
            title="Share in time by number of people",
            description="Each queue by itself at its busiest time, by formula.",
            x_label="people",
            y_label="share in time",
            series=[
                Series(name=name_of(kind), points=[(float(count), within) for count, within in curve])
                for kind, curve in zip(staffing.demand.kinds, staffing.curves, strict=True)
            ],
            y_text=charts.as_percent,
            y_from=0.0,
            y_to=1.0,
        )
    )


def as_json(staffing: Staffing) -> dict[str, Any]:
    """For programs."""
    kinds = staffing.demand.kinds
    return {
        "kinds": [
            {
                "queue": kind.queue,
                "channel": kind.channel,
                "skills": dict(kind.skills),
                "share": kind.share,
                "within_ms": kind.within_ms,
                "busy_ms": kind.busy_ms,
            }
            for kind in kinds
        ],
        "crews": [
            {"name": crew.name, "skills": dict(crew.skills), "capacity": dict(crew.capacity), "units": crew.units}
            for crew in staffing.crews
        ],
        "intervals": [
            {
                "day": need.period.day or None,
                "from": need.period.begin,
                "to": need.period.end,
                "contacts_per_hour": [rate * _HOUR_MS for rate in need.period.rates],
                "alone": [None if one is None else one.people for one in need.alone],
                "crews": list(need.crews),
                "in_time": list(need.kept),
                "skills": staffing.skilled(need),
            }
            for need in staffing.needs
        ],
        "curves": [[{"people": count, "in_time": within} for count, within in curve] for curve in staffing.curves],
    }
