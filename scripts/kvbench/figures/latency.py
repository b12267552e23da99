"""Latency of each request: time to first token, time per output token, end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kvbench.analysis.results import load_runs
from kvbench.analysis.statistics import MIN_P90_SAMPLES
from kvbench.figures.data.latencies import Latency, latencies
from kvbench.figures.style import (
    NO_REPEAT,
    WIDTH_IN,
    logarithmic,
    look,
    name_rows,
    rows_figure,
    said,
    settle,
    styled,
    wrapped,
)

OPTIONS = {"width_in": WIDTH_IN}
TITLES = {
    "time_to_first_token": "Time to first token (s)",
    "time_per_output_token": "Time per output token (ms)",
    "end_to_end": "End to end (s)",
}
FACTORS = {"time_per_output_token": 1000}
MAX_DOTS = 250


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    return draw(latencies(load_runs(job.input.runs), list(TITLES)), job.params.options)


@styled
def draw(engines: Sequence[Latency], options: Mapping[str, Any] | None = None) -> Figure:
    """A logarithmic panel per metric: a dot per request and repeat, boxes at the quartiles, whiskers from 5 to 95%."""
    names = [_name(engine) for engine in engines]
    width_in = settle(options, OPTIONS)["width_in"]
    if not engines:
        return said(NO_REPEAT, width_in)
    figure, panels = rows_figure(len(engines), len(TITLES), width_in=width_in, row_in=0.36)
    for axes, (metric, title) in zip(panels, TITLES.items(), strict=True):
        for y, engine in enumerate(engines):
            _draw_samples(axes, y, engine, engine.samples[metric] * FACTORS.get(metric, 1))
        axes.set_xlabel(title)
        logarithmic(axes)
    name_rows(panels[0], names)
    star = " * handed back with its batch." if any(e.by_batch for e in engines) else ""
    text = f"dot: a request in a repeat, line: median, box: quartiles, whiskers: 5% to 95%; all arrive at 0 s.{star}"
    figure.supxlabel(wrapped(text, width_in), fontsize=7.5)
    return figure


def _name(engine: Latency) -> str:
    star = "*" if engine.by_batch else ""
    return f"{engine.label}{star}\nn = {engine.requests} × {engine.repeats}"


def _draw_samples(axes: Axes, y: int, engine: Latency, values: np.ndarray) -> None:
    values = np.sort(values[values > 0])
    if not len(values):
        axes.text(0.02, y, "no sample", va="center", color="0.45", transform=axes.get_yaxis_transform())
        return
    style = look(engine.engine)
    shown = values[np.unique(np.linspace(0, len(values) - 1, MAX_DOTS).astype(int))]
    # A low-discrepancy sequence spreads the dots without a random generator.
    spread = 0.52 * ((np.arange(len(shown)) * 0.618034) % 1 - 0.5)
    axes.plot(shown, y + spread, "o", ms=2.4, color=style.colour, alpha=0.55, mew=0, ls="", rasterized=True)
    if len(values) >= MIN_P90_SAMPLES:
        low, first, third, high = np.quantile(values, (0.05, 0.25, 0.75, 0.95))
        axes.hlines(y, low, first, color="black", lw=0.8)
        axes.hlines(y, third, high, color="black", lw=0.8)
        axes.fill_between([first, third], y - 0.3, y + 0.3, facecolor="none", edgecolor="black", lw=0.8)
    axes.vlines(np.median(values), y - 0.3, y + 0.3, color="black", lw=1.8)
