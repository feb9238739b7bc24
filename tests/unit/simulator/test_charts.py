"""Charts are whole SVG, say in words what they show, and draw what they are given."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from services.router.simulator.charts import Bars, Chart, Series, as_percent, render_bars, render_chart

SVG = "{http://www.w3.org/2000/svg}"


def a_chart(**changes: object) -> Chart:
    plain: dict[str, object] = {
        "title": "Waits <now & then>",
        "description": "Two lines.",
        "x_label": "hour",
        "y_label": "seconds",
        "series": [
            Series(name="a", points=[(0.0, 1.0), (1.0, 3.0)]),
            Series(name="b", points=[(0.0, 2.0), (1.0, 2.0)], kind="points", errors=[0.5, 0.5]),
            Series(name="c", points=[(0.0, 0.0), (1.0, 1.0)], kind="steps"),
        ],
    }
    return Chart(**{**plain, **changes})  # type: ignore[arg-type]  # the defaults are of the right types


def test_a_chart_is_svg_with_its_words() -> None:
    root = ET.fromstring(render_chart(a_chart()))

    assert root.get("role") == "img"
    assert root.get("aria-label") == "Waits <now & then>. Two lines."
    assert [child.text for child in root.findall(f"{SVG}title")] == ["Waits <now & then>"]
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert {"hour", "seconds", "a", "b", "c"} <= set(texts)
    assert len(root.findall(f"{SVG}path[@class='line']")) >= 4


def test_a_higher_value_stands_higher() -> None:
    # given two points
    root = ET.fromstring(render_chart(a_chart(series=[Series(name="a", points=[(0, 1.0), (1, 3.0)], kind="points")])))

    low, high = (float(circle.get("cy", "0")) for circle in root.findall(f"{SVG}circle"))
    assert high < low


def test_a_scale_of_ratios_has_a_tick_for_each_decade() -> None:
    root = ET.fromstring(render_chart(a_chart(y_log=True, y_from=0.001, y_to=1.0, y_text=as_percent)))

    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert [text for text in texts if text and text.endswith("%")] == ["0.1%", "1%", "10%", "100%"]


@pytest.mark.parametrize("series", [[], [Series(name="a", points=[])], [Series(name="a", points=[(1.0, 0.0)])]])
def test_little_or_nothing_can_be_drawn(series: list[Series]) -> None:
    assert ET.fromstring(render_chart(a_chart(series=series))).tag == f"{SVG}svg"


def test_bars_stand_side_by_side_and_as_high_as_their_values() -> None:
    bars = Bars(
        title="Waits",
        description="By queue.",
        y_label="s",
        groups=["orders", "general"],
        series=["before", "after"],
        values=[[10.0, 20.0], [5.0, None]],
        errors=[[1.0, 1.0], [1.0, 1.0]],
    )
    root = ET.fromstring(render_bars(bars, standalone=True))

    # Group by group, before and after; the legend's squares come last.
    heights = [float(rect.get("height", "0")) for rect in root.findall(f"{SVG}rect")][:3]
    assert heights[1] / heights[0] == pytest.approx(0.5, rel=0.01)
    assert heights[2] / heights[0] == pytest.approx(2.0, rel=0.01)
    assert root.find(f"{SVG}style") is not None
