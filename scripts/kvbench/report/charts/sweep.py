"""Points of a sweep with their intervals, over lines of its replay: for the charts of the swept keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from kvbench.figures.points import drawable
from kvbench.figures.words import value_text
from kvbench.report.charts import parts
from kvbench.report.charts.chart import Chart, Choice
from kvbench.report.charts.source import Source

QUANTITY, WHISKER = "quantity", "95% interval, or range below 6 repeats"


@dataclass(frozen=True)
class Sweep:
    """A swept key, and what is shown of it: columns of sweeps.csv by name, with their titles and factors."""

    key: str
    x: str  # the column of the horizontal axis
    title: str
    base: int  # of the axis's logarithm
    quantities: Mapping[str, tuple[str, float]]


def build(source: Source, sweep: Sweep) -> Chart | None:
    """Live points with whiskers over lines of replays; a choice of the quantity."""
    table, replays = source.swept(sweep.key)
    table = drawable(table, sweep.x)
    if table.empty:
        return None
    engines = parts.engines_of(table["engine"])
    options = [label for label, _ in sweep.quantities.values()]
    live, replayed = _base(_points(table.to_dict("records"), sweep)), _base(_lines(replays, sweep))
    drawn = alt.layer(*_layers(live, replayed, sweep, engines))
    drawn = drawn.add_params(parts.hidden(), alt.param(name=QUANTITY, value=options[0])).properties(
        width="container",
        height=parts.HEIGHT,
        title=parts.told(QUANTITY),
        description=f"{', '.join(options)} by {sweep.title}",
    )
    return Chart(drawn, parts.keys(engines), [Choice(QUANTITY, "Show", options)])


def _base(rows: Iterator[dict]) -> alt.Chart:
    chart = alt.Chart(parts.data(rows)).transform_filter(parts.is_shown())
    return chart.transform_filter(f"datum.{QUANTITY} === {QUANTITY}")


def _layers(live: alt.Chart, replayed: alt.Chart, sweep: Sweep, engines: Sequence[str]) -> Iterator[alt.Chart]:
    """Replays, whiskers and medians."""
    x = alt.X("x:Q", title=sweep.title, scale=alt.Scale(type="log", base=sweep.base, nice=False, padding=20))
    y, colour = alt.Y("y:Q", title=None), parts.engine_colour(engines)
    yield replayed.mark_line(point={"size": 12}, strokeWidth=1.5).encode(x=x, y=y, color=colour)
    spans = live.transform_filter("datum.low < datum.high")
    yield spans.mark_rule(style=parts.WHISKER, aria=False).encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q")
    tooltip = parts.tips("Point", sweep.title, QUANTITY, "Median", WHISKER, "Repeats")
    points = live.mark_point(filled=True, size=90, opacity=1, stroke="black", strokeWidth=0.5)
    yield points.encode(x=x, y=y, color=colour, tooltip=tooltip)


def _points(rows: Sequence[Mapping[str, Any]], sweep: Sweep) -> Iterator[dict]:
    """Live points: medians with intervals or, without these, ranges, as the figure draws them."""
    for row in rows:
        for name, (label, factor) in sweep.quantities.items():
            middle, low, high = (row[f"{name}_{end}"] for end in ("median", *_ends(row, name)))
            yield {
                "engine": row["engine"],
                QUANTITY: label,
                "x": row[sweep.x],
                "y": factor * middle,
                "low": factor * low,
                "high": factor * high,
                "Point": row["label"],
                sweep.title: f"{row[sweep.x]:,.0f}",
                "Median": value_text(factor * middle),
                WHISKER: parts.interval(low, high, factor),
                "Repeats": f"{row['n_repeats']:.0f}",
            }


def _ends(row: Mapping[str, Any], name: str) -> tuple[str, str]:
    return ("min", "max") if pd.isna(row[f"{name}_ci95_low"]) else ("ci95_low", "ci95_high")


def _lines(replays: pd.DataFrame, sweep: Sweep) -> Iterator[dict]:
    """Replays of the columns that the replay knows."""
    if replays.empty:
        return
    for engine, found in replays.groupby("engine", sort=False):
        for row in found.drop_duplicates(sweep.x).sort_values(sweep.x).to_dict("records"):
            for name, (label, factor) in sweep.quantities.items():
                if name in row:
                    yield {"engine": engine, QUANTITY: label, "x": row[sweep.x], "y": factor * float(row[name])}
