"""Latency of each request as a cumulative distribution: the samples of the figure `latency`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import altair as alt
import numpy as np

from kvbench.figures.data.latencies import Latency, latencies
from kvbench.figures.words import value_text
from kvbench.report.charts import parts
from kvbench.report.charts.chart import Chart, Choice
from kvbench.report.charts.source import Source

METRICS = {
    "time_to_first_token": "Time to first token",
    "time_per_output_token": "Time per output token",
    "end_to_end": "End to end",
}
METRIC, TIME, SHARE = "metric", "Time (s)", "Requests that took at most this (%)"
MAX_POINTS = 5000  # of a metric, all engines together


def build(source: Source) -> Chart | None:
    """A step line per run: the share of requests, of all repeats, that took at most a time."""
    found = latencies(source.runs, list(METRICS))
    rows = list(_values(found))
    if not rows:
        return None
    engines = parts.engines_of(one.engine for one in found)
    options = [title for title in METRICS.values() if any(row[METRIC] == title for row in rows)]
    base = (
        alt.Chart(parts.data(rows))
        .transform_filter(parts.is_shown())
        .transform_filter(f"datum.{METRIC} === {METRIC}")
        .encode(
            x=alt.X("seconds:Q", title=f"{TIME}, logarithmic", scale=parts.zoomed(type="log")),
            y=alt.Y("percent:Q", title=SHARE, scale=alt.Scale(domain=[0, 100])),
            detail="Engine:N",
        )
    )
    lines = {"interpolate": "step-after", "clip": True}
    drawn = alt.layer(
        base.mark_line(style=parts.CASING, aria=False, strokeWidth=3.2, **lines),
        base.mark_line(strokeWidth=2, **lines).encode(color=parts.engine_colour(engines)),
        base.mark_point(opacity=0, size=50, clip=True, aria=False).encode(
            tooltip=parts.tips("Engine", METRIC, TIME, SHARE)
        ),
    ).add_params(parts.hidden(), parts.window(), alt.param(name=METRIC, value=options[0]))
    drawn = drawn.properties(
        width="container",
        height=parts.HEIGHT,
        title=parts.told(METRIC),
        description="Distribution of latency by engine",
    )
    return Chart(drawn, parts.keys(engines), [Choice(METRIC, "Time", options)], zooms=True)


def _values(found: Sequence[Latency]) -> Iterator[dict]:
    most = max(2, MAX_POINTS // max(len(found), 1))
    for one in found:
        star = ", handed back with its batch" if one.by_batch else ""
        for metric, title in METRICS.items():
            values = np.sort(one.samples[metric][one.samples[metric] > 0])
            for place in _kept(len(values), most):
                percent = 100 * (place + 1) / len(values)
                yield {
                    "engine": one.engine,
                    "Engine": f"{one.label}{star}",
                    METRIC: title,
                    "seconds": values[place],
                    "percent": percent,
                    TIME: value_text(values[place]),
                    SHARE: value_text(percent),
                }


def _kept(count: int, most: int) -> np.ndarray:
    """About `most` places of `count`, evenly spaced, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)) if count else np.arange(0)
