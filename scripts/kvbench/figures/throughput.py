"""Throughput: output tokens per second of each engine, with every repeat shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kvbench.analysis.results import engine_key, load_runs
from kvbench.figures.data.rows import rows_of
from kvbench.figures.data.speeds import Speed, speeds
from kvbench.figures.style import NO_REPEAT, WIDTH_IN, look, name_rows, rows_figure, said, settle, styled, wrapped
from kvbench.figures.words import range_text, value_text

OPTIONS = {"width_in": WIDTH_IN}
TITLES = {"all": "all {n} requests", "sequential": "{n} of them, also served one at a time"}


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    table = rows_of(job.input.table, job.wildcards.model, job.wildcards.workload)
    return draw(speeds(load_runs(job.input.runs), table), job.params.options)


@styled
def draw(scopes: Mapping[str, Sequence[Speed]], options: Mapping[str, Any] | None = None) -> Figure:
    """A panel per scope, a bar per engine: median, 95% interval if there is one, and a dot per repeat."""
    names = _names(scopes)
    width_in = settle(options, OPTIONS)["width_in"]
    if not names:
        return said(NO_REPEAT, width_in)
    figure, panels = rows_figure(len(names), len(scopes), width_in=width_in)
    for axes, (scope, engines) in zip(panels, scopes.items(), strict=True):
        axes.set_title(TITLES[scope].format(n="/".join(sorted({str(s.requests) for s in engines}))), loc="left")
        _draw_scope(axes, engines, names)
    name_rows(panels[0], names)
    figure.supxlabel(f"Output tokens per second\n{wrapped(_caption(scopes), width_in)}", fontsize=8)
    return figure


def _draw_scope(axes: Axes, speeds: Sequence[Speed], names: Sequence[str]) -> None:
    longest = max(max(speed.repeats) for speed in speeds)
    for speed in speeds:
        y, style = names.index(speed.label), look(speed.engine)
        axes.barh(y, speed.median, height=0.6, color=style.colour, hatch=style.hatch, edgecolor="white", linewidth=0)
        places = y + (np.linspace(-0.18, 0.18, len(speed.repeats)) if len(speed.repeats) > 1 else np.zeros(1))
        axes.plot(speed.repeats, places, "o", ms=2.2, mfc="white", mec="black", mew=0.5, ls="")
        if any(speed.disturbed):
            crossed = np.asarray(speed.disturbed)
            axes.plot(np.asarray(speed.repeats)[crossed], places[crossed], "x", ms=4.5, mec="black", mew=0.8, ls="")
        if speed.low is not None:
            errors = [[speed.median - speed.low], [speed.high - speed.median]]
            axes.errorbar(speed.median, y, xerr=errors, fmt="none", ecolor="black", elinewidth=0.9, capsize=2.5)
        end = max(*speed.repeats, speed.high or 0)
        axes.text(end + 0.03 * longest, y, value_text(speed.median), va="center", ha="left", fontsize=7.5)
    axes.set_xlim(0, longest * 1.2)
    axes.grid(axis="x")
    for y, name in enumerate(names):
        if name not in {speed.label for speed in speeds}:
            axes.text(0.01 * longest, y, "not run", va="center", color="0.45", fontsize=7.5)


def _names(scopes: Mapping[str, Sequence[Speed]]) -> list[str]:
    """Names by engine, with each engine's points in the order of the runs."""
    speeds = {speed.label: speed.engine for found in scopes.values() for speed in found}
    return sorted(speeds, key=lambda label: engine_key(speeds[label]))


def _caption(scopes: Mapping[str, Sequence[Speed]]) -> str:
    speeds = [speed for found in scopes.values() for speed in found]
    n = f"n = {range_text(len(speed.repeats) for speed in speeds)}"
    processes = range_text(speed.processes for speed in speeds)
    where = "one process" if processes == "1" else f"{processes} processes"
    interval = ", whisker: 95% bootstrap interval" if any(speed.low is not None for speed in speeds) else ""
    crosses = ", cross: other load disturbed it" if any(any(speed.disturbed) for speed in speeds) else ""
    return f"bar: median of {n} repeats in {where}, dot: a repeat{crosses}{interval}"
