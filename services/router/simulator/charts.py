"""Charts as SVG text: lines, steps, points with error bars, and bars. For documents and for pages that need no network.

Colours follow the reader's light or dark scheme; a series is also told by its dashes or marks, and every chart carries a title and a
description in words. Pure text; used by the proof, the comparison of policies and staffing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final, Literal

Point = tuple[float, float]

WIDTH: Final = 720
HEIGHT: Final = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 40, 48
_LEGEND_ROW: Final = 18
_TICKS: Final = 6
_DECADE: Final = 10.0
_SERIES_COLOURS: Final = 5

STYLE: Final = """
.chart{--ink:#1f2328;--faint:#d0d7de;--soft:#656d76;--s0:#0b62a8;--s1:#b5480a;--s2:#0a7a55;--s3:#8a3f8f;--s4:#6b6b00}
@media (prefers-color-scheme:dark){.chart{--ink:#e6edf3;--faint:#3d444d;--soft:#9198a1;
--s0:#6cb6ff;--s1:#f0883e;--s2:#56d4a0;--s3:#dba0e0;--s4:#d4c94a}}
.chart text{fill:var(--ink);font:12px system-ui,sans-serif}
.chart .soft{fill:var(--soft)}
.chart .grid{stroke:var(--faint);stroke-width:1}
.chart .band{fill:var(--faint);opacity:.45}
.chart .line{fill:none;stroke-width:2}
""".strip()


def as_number(value: float) -> str:
    """A short number."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def as_percent(value: float) -> str:
    """A share, as percent."""
    return f"{value * 100:.3g}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One thing that is drawn. `errors`: half the length of each point's error bar."""

    name: str
    points: Sequence[Point]
    kind: Literal["line", "steps", "points"] = "line"
    errors: Sequence[float] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart of points. `bands`: heights between which the ground is shaded. `y_log`: equal ratios are equally high;
    `y_whole`: there is nothing between whole numbers.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    x_text: Callable[[float], str] = as_number
    y_text: Callable[[float], str] = as_number
    y_log: bool = False
    y_whole: bool = False
    y_from: float | None = None
    y_to: float | None = None
    x_ticks: Sequence[float] = ()
    bands: Sequence[tuple[float, float]] = field(default=())


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        share = (min(max(value, low), high) - low) / (high - low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            return [_DECADE**power for power in range(first, last + 1) if self.low <= _DECADE**power <= self.high]
        raw = (self.high - self.low) / _TICKS
        unit = _DECADE ** math.floor(math.log10(raw))
        step = next(unit * times for times in (1, 2, 2.5, 5, 10) if unit * times >= raw)
        first = math.ceil(self.low / step - 1e-9)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def render_chart(chart: Chart, *, standalone: bool = False) -> str:
    """The chart as one `svg` element. `standalone`: with its style, for a file of its own."""
    rows = _legend_rows([series.name for series in chart.series])
    height = HEIGHT + _LEGEND_ROW * len(rows)
    xs, ys = _scales(chart, height)
    parts = [_opening(chart.title, chart.description, height, standalone)]
    parts += [
        f'<rect class="band" x="{_LEFT}" y="{ys.place(high):.1f}" width="{WIDTH - _LEFT - _RIGHT}" '
        f'height="{ys.place(low) - ys.place(high):.1f}"/>'
        for low, high in chart.bands
    ]
    for value in ys.ticks():
        if chart.y_whole and not value.is_integer():
            continue
        parts.append(_grid(_LEFT, ys.place(value), WIDTH - _RIGHT, ys.place(value)))
        parts.append(_text(_LEFT - 6, ys.place(value) + 4, chart.y_text(value), "end", soft=True))
    for value in chart.x_ticks or xs.ticks():
        parts.append(_grid(xs.place(value), height - _BOTTOM, xs.place(value), height - _BOTTOM + 4))
        parts.append(_text(xs.place(value), height - _BOTTOM + 18, chart.x_text(value), "middle", soft=True))
    parts += _axis_labels(chart.x_label, chart.y_label, height)
    for number, series in enumerate(chart.series):
        parts += _draw(series, number, xs, ys)
    parts += _legend(rows, [series.kind for series in chart.series])
    return "".join([*parts, "</svg>"])


def _scales(chart: Chart, height: int) -> tuple[_Scale, _Scale]:
    x_values = [x for series in chart.series for x, _ in series.points] or [0.0, 1.0]
    y_values = [y for series in chart.series for _, y in series.points] or [0.0, 1.0]
    low = min(y_values) if chart.y_from is None else chart.y_from
    high = max(y_values) if chart.y_to is None else chart.y_to
    if chart.y_log:
        low = max(low, high / 1e6, 1e-12)
    elif chart.y_from is None:
        low = min(0.0, low)
    high = high if high > low else low + 1
    left, right = min(x_values), max(x_values)
    right = right if right > left else left + 1
    top = _TOP + (height - HEIGHT)
    return (
        _Scale(left, right, _LEFT, WIDTH - _RIGHT),
        _Scale(low, high, height - _BOTTOM, top, log=chart.y_log),
    )


def _draw(series: Series, number: int, xs: _Scale, ys: _Scale) -> list[str]:
    colour = f"var(--s{number % _SERIES_COLOURS})"
    places = [(xs.place(x), ys.place(y)) for x, y in series.points]
    if series.kind == "points":
        parts = []
        for index, (x, y) in enumerate(places):
            if series.errors:
                value, error = series.points[index][1], series.errors[index]
                top, bottom = ys.place(value + error), ys.place(value - error)
                parts.append(
                    f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}M{x - 3:.1f} {top:.1f}h6M{x - 3:.1f} {bottom:.1f}h6" '
                    f'class="line" style="stroke:{colour};stroke-width:1.2"/>'
                )
            parts.append(_mark(x, y, number, colour))
        return parts
    if series.kind == "steps":
        path = "".join(
            f"M{x:.1f} {y:.1f}" if index == 0 else f"H{x:.1f}V{y:.1f}" for index, (x, y) in enumerate(places)
        )
    else:
        path = "".join(f"{'L' if index else 'M'}{x:.1f} {y:.1f}" for index, (x, y) in enumerate(places))
    return [f'<path d="{path}" class="line" style="stroke:{colour}{_dash(number)}"/>'] if places else []


def _dash(number: int) -> str:
    dashes = ("", "7 4", "2 3", "9 3 2 3", "12 4")[number % _SERIES_COLOURS]
    return f";stroke-dasharray:{dashes}" if dashes else ""


def _mark(x: float, y: float, number: int, colour: str) -> str:
    if number % 2 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" style="fill:{colour}"/>'
    return f'<path d="M{x:.1f} {y - 4:.1f}l4 4l-4 4l-4 -4z" style="fill:{colour}"/>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Groups of bars, one bar of each series in every group. `values` and `errors`: by series, then by group; None: no bar."""

    title: str
    description: str
    y_label: str
    groups: Sequence[str]
    series: Sequence[str]
    values: Sequence[Sequence[float | None]]
    errors: Sequence[Sequence[float]] = ()
    y_text: Callable[[float], str] = as_number
    y_to: float | None = None


def render_bars(bars: Bars, *, standalone: bool = False) -> str:
    """The bars as one `svg` element. `standalone`: with its style, for a file of its own."""
    rows = _legend_rows(bars.series)
    height = HEIGHT + _LEGEND_ROW * len(rows)
    highest = max((value for values in bars.values for value in values if value is not None), default=1.0)
    ys = _Scale(0.0, bars.y_to or highest * 1.08 or 1.0, height - _BOTTOM, _TOP + (height - HEIGHT))
    parts = [_opening(bars.title, bars.description, height, standalone)]
    for value in ys.ticks():
        parts.append(_grid(_LEFT, ys.place(value), WIDTH - _RIGHT, ys.place(value)))
        parts.append(_text(_LEFT - 6, ys.place(value) + 4, bars.y_text(value), "end", soft=True))
    room = (WIDTH - _LEFT - _RIGHT) / max(1, len(bars.groups))
    wide = min(48.0, room * 0.8 / max(1, len(bars.series)))
    shown = max(1, math.ceil(len(bars.groups) * 7 * max(map(len, bars.groups), default=1) / (WIDTH - _LEFT)))
    for place, group in enumerate(bars.groups):
        middle = _LEFT + room * (place + 0.5)
        if place % shown == 0:
            parts.append(_text(middle, height - _BOTTOM + 18, group, "middle", soft=True))
        for number, values in enumerate(bars.values):
            height_of = values[place]
            if height_of is None:
                continue
            x = middle + (number - len(bars.series) / 2) * wide
            top = ys.place(height_of)
            parts.append(
                f'<rect x="{x + 1:.1f}" y="{top:.1f}" width="{wide - 2:.1f}" height="{height - _BOTTOM - top:.1f}" '
                f'style="fill:var(--s{number % _SERIES_COLOURS})"/>'
            )
            if bars.errors:
                error = bars.errors[number][place]
                high, low = ys.place(height_of + error), ys.place(height_of - error)
                parts.append(
                    f'<path d="M{x + wide / 2:.1f} {high:.1f}V{low:.1f}" class="line" style="stroke:var(--ink);stroke-width:1.5"/>'
                )
    parts += _axis_labels("", bars.y_label, height)
    parts += _legend(rows, ["bars"] * len(bars.series))
    return "".join([*parts, "</svg>"])


def _opening(title: str, description: str, height: int, standalone: bool) -> str:
    style = f"<style>{STYLE}</style>" if standalone else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(f"{title}. {description}")}"><title>{escape(title)}</title><desc>{escape(description)}</desc>'
        f'{style}<text x="{_LEFT}" y="20" style="font-weight:600">{escape(title)}</text>'
    )


def _text(x: float, y: float, text: str, anchor: str, *, soft: bool = False) -> str:
    css = ' class="soft"' if soft else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{css}>{escape(text)}</text>'


def _grid(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path class="grid" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def _axis_labels(x_label: str, y_label: str, height: int) -> list[str]:
    middle = (_TOP + height - _BOTTOM) / 2
    return [
        _text((_LEFT + WIDTH - _RIGHT) / 2, height - 8, x_label, "middle"),
        f'<text x="14" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 14 {middle:.1f})">{escape(y_label)}</text>',
    ]


def _legend_rows(names: Sequence[str]) -> list[list[tuple[int, str]]]:
    """Names with their numbers, as many in a row as fit; none where there is a single series."""
    rows: list[list[tuple[int, str]]] = []
    used = WIDTH
    for number, name in enumerate(names if len(names) > 1 else ()):
        needed = 40 + 7 * len(name)
        if used + needed > WIDTH - _LEFT:
            rows.append([])
            used = 0
        rows[-1].append((number, name))
        used += needed
    return rows


def _legend(rows: Sequence[Sequence[tuple[int, str]]], kinds: Sequence[str]) -> list[str]:
    parts = []
    for index, row in enumerate(rows):
        x, y = float(_LEFT), 36 + index * _LEGEND_ROW
        for number, name in row:
            colour = f"var(--s{number % _SERIES_COLOURS})"
            if kinds[number] == "bars":
                parts.append(f'<rect x="{x + 4:.1f}" y="{y - 10}" width="12" height="12" style="fill:{colour}"/>')
            elif kinds[number] == "points":
                parts.append(_mark(x + 10, y - 4, number, colour))
            else:
                parts.append(f'<path d="M{x:.1f} {y - 4}h22" class="line" style="stroke:{colour}{_dash(number)}"/>')
            parts.append(_text(x + 28, y, name, "start"))
            x += 40 + 7 * len(name)
    return parts
