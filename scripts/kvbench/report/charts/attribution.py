"""The factors of the speed with their intervals: the numbers of the figure `attribution`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from kvbench.analysis.tables.attribution import ARMS, METRIC
from kvbench.figures.attribution import ordered
from kvbench.figures.words import share_text, value_text
from kvbench.report.charts import parts
from kvbench.report.charts.chart import Chart
from kvbench.report.charts.source import Source

RATIO, WHISKER = "Ratio of output tokens per second", "95% interval"
SPEEDS, WAITED = "Output tokens per second", "Steps in which requests waited"


def build(source: Source) -> Chart | None:
    """A dot and a whisker per factor that could be measured, on a logarithmic axis; the line is a ratio of 1."""
    rows = [row for row in ordered(source.rows("attribution")) if pd.notna(row["ratio"])]
    if not rows:
        return None
    engines = parts.engines_of(row["numerator"] for row in rows)
    title = "Ratio (logarithmic)"
    x = alt.X("ratio:Q", title=title, scale=alt.Scale(type="log", nice=False, padding=16))
    y = parts.row_axis([_name(row) for row in rows])
    base = alt.Chart(parts.data(_values(rows))).transform_filter(parts.is_shown())
    dots = base.mark_point(filled=True, size=110, opacity=1, stroke="black", strokeWidth=0.5)
    tooltip = parts.tips("Factor", "Engines", RATIO, WHISKER, SPEEDS, "Repeats", WAITED)
    layers = [
        alt.Chart(parts.data([{"one": 1}]))
        .mark_rule(style=parts.REFERENCE, aria=False)
        .encode(x=alt.X("one:Q", title=title)),
        dots.encode(x=x, y=y, color=parts.engine_colour(engines), tooltip=tooltip),
    ]
    if any(pd.notna(row["ratio_ci95_low"]) for row in rows):
        whiskers = base.transform_filter("isValid(datum.low)").mark_rule(style=parts.WHISKER, aria=False)
        layers.insert(1, whiskers.encode(x=alt.X("low:Q", title=title), x2="high:Q", y=y))
    drawn = alt.layer(*layers).add_params(parts.hidden())
    about = "Factors of the speed with 95% intervals, on a logarithmic axis"
    return Chart(drawn.properties(**parts.rows_size(len(rows), 36), description=about), parts.keys(engines))


def _name(row: Mapping[str, Any]) -> str:
    factor = "all factors" if row["part"] == "total" else row["factor"]
    served = "" if pd.isna(row["requests"]) else f" ({row['requests']:.0f} requests)"
    return f"{factor}{served}\n{row['numerator']} / {row['denominator']}"


def _values(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict]:
    for row in rows:
        speeds = [value_text(row[f"{name}_{METRIC}_median"]) for name in ARMS]
        waited = [share_text(row[f"{name}_steps_waiting_share"]) for name in ARMS]
        yield {
            "name": _name(row),
            "engine": row["numerator"],
            "ratio": row["ratio"],
            "low": row["ratio_ci95_low"],
            "high": row["ratio_ci95_high"],
            "Factor": _name(row).partition("\n")[0],
            "Engines": f"{row['numerator']} / {row['denominator']}",
            RATIO: value_text(row["ratio"]),
            WHISKER: parts.interval(row["ratio_ci95_low"], row["ratio_ci95_high"]),
            SPEEDS: " / ".join(speeds),
            "Repeats": " / ".join(f"{row[f'{name}_n_repeats']:.0f}" for name in ARMS),
            WAITED: " / ".join(waited),
        }
