"""Prefix sharing: blocks over time with and without it, the mean share saved, and throughput."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from kvbench.analysis.published import Published, read_published
from kvbench.analysis.results import load_runs
from kvbench.figures.data.blocks import BlockTrace, block_traces
from kvbench.figures.data.rows import rows_of
from kvbench.figures.style import WIDTH_IN, is_narrow, look, name_rows, said, settle, styled, wrapped
from kvbench.figures.words import UNKNOWN, range_text, value_text

OPTIONS = {"width_in": WIDTH_IN}
# Quantities of config/published.yaml shown beside a column of sharing.csv, by kind of workload.
PUBLISHED = {
    "parallel-sampling": {"saved_share": "parallel_sampling_saved_share"},
    "shared-prefix": {"ratio": "shared_prefix_throughput_ratio"},
}
ARMS = {"unshared": "off", "shared": "on"}
SAVED_COLOUR, GREY = "#E69F00", "0.45"
ROW_IN, TRACE_IN = 0.3, 1.9

Row = dict[str, Any]


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    table = rows_of(job.input.table, job.wildcards.model, job.wildcards.workload)
    traces = block_traces(load_runs(job.input.runs), table["engine"])
    quantities = PUBLISHED.get(job.params.kind, {})
    published = {column: read_published(job.input.published, name) for column, name in quantities.items()}
    return draw(table, traces, published, job.params.options)


@styled
def draw(
    table: pd.DataFrame,
    traces: Sequence[tuple[BlockTrace, BlockTrace]],
    published: Mapping[str, Sequence[Published]],
    options: Mapping[str, Any] | None = None,
) -> Figure:
    """Above, blocks in use over a repeat, a panel per engine; below, sharing.csv with a row per engine and point.

    `traces` has the points with and without sharing of each row of `table`; `published` has values by the column beside
    which they are shown: saved_share or ratio.
    """
    width_in = settle(options, OPTIONS)["width_in"]
    if table.empty:
        return said("No engine has repeats with and without sharing.", width_in)
    narrow, rows = is_narrow(width_in), _rows(table, published)
    panel_in = 1.0 + ROW_IN * max(len(rows), 2)
    heights = [TRACE_IN * len(traces), panel_in * (3 if narrow else 1)]
    figure = Figure(figsize=(width_in, sum(heights) + 0.5), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, wspace=0.03)
    above, below = figure.subfigures(2, 1, height_ratios=heights)
    for axes, pair in zip(above.subplots(len(traces), squeeze=False, sharex=True).flat, traces, strict=True):
        _draw_trace(axes, *pair)
        axes.set_xlim(0, 1.03 * max((t for one in traces for trace in one for t in trace.t_s[-1:]), default=0) or 1)
    above.supxlabel("Time since the requests were submitted (s)", fontsize=8)
    shape = {"nrows": 3} if narrow else {"ncols": 3, "width_ratios": [1.1, 1.7, 0.9]}
    panels = below.subplots(**shape, sharey=True)
    _draw_saved(panels[0], rows)
    _draw_speed(panels[1], rows, with_interval=not narrow)
    _draw_running(panels[2], rows)
    for axes in panels:
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
    name_rows(panels[0], [row["name"] for row in rows])
    figure.legend(handles=_handles(traces), loc="outside upper center", ncols=1 if narrow else 4)
    figure.supxlabel(wrapped(_caption(table, published), width_in), fontsize=7.5)
    return figure


def _rows(table: pd.DataFrame, published: Mapping[str, Sequence[Published]]) -> list[Row]:
    """One row per engine and point, then one per published value."""
    found = table.to_dict("records")
    rows = [{**row, "arm": arm, "name": f"{row['label']}, {word}"} for row in found for arm, word in ARMS.items()]
    rows += [
        {"arm": column, "value": one, "name": f"paper, {one.label}"}
        for column, ones in published.items()
        for one in ones
    ]
    return rows


def _draw_trace(axes: Axes, shared: BlockTrace, unshared: BlockTrace) -> None:
    colour = look(shared.engine).colour
    given = {"step": "post", "linewidth": 0}
    axes.fill_between(shared.t_s, shared.in_use, color=colour, alpha=0.75, **given)
    axes.fill_between(
        shared.t_s, shared.in_use, shared.unshared, facecolor="white", edgecolor=SAVED_COLOUR, hatch="////", **given
    )
    if len(shared.t_s) < 2:
        axes.text(0.5, 0.4, "one step or none was recorded", color=GREY, ha="center", transform=axes.transAxes)
    axes.step(shared.t_s, shared.unshared, where="post", color=SAVED_COLOUR, lw=1)
    axes.step(unshared.t_s, unshared.in_use, where="post", color="black", lw=1, ls=(0, (4, 1.5)))
    axes.axhline(shared.pool, color=GREY, lw=0.8, ls=":")
    axes.set_ylim(0, None)
    axes.set_ylabel("KV blocks")
    axes.set_title(f"{shared.engine}, {shared.requests} requests: first timed repeat", loc="left")


def _draw_saved(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw the mean share of saved blocks, and published ranges as grey bars."""
    for y, row in enumerate(rows):
        if row["arm"] == "shared":
            _bar(axes, y, 100 * row["saved_share_median"], SAVED_COLOUR, "////")
            largest = 100 * row["saved_largest_share_median"]
            axes.plot(largest, y, "|", color="black", ms=9, mew=1.4)
            _note(axes, max(largest, 1), y, _percent(row["saved_share_median"]))
        elif row["arm"] == "saved_share":
            low, high = 100 * row["value"].low, 100 * row["value"].high
            axes.barh(y, high - low, left=low, height=0.3, color="0.65")
            _note(axes, high, y, f"{low:.1f} to {high:.1f}", GREY)
    axes.set_xlim(0, 130)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel("Blocks saved (%),\nmean over steps; mark: most")


def _draw_speed(axes: Axes, rows: Sequence[Row], with_interval: bool) -> None:
    """Draw output tokens per second of both points with intervals, and the ratio beside the second."""
    longest = np.nanmax([1e-9, *(row[f"{row['arm']}_output_tokens_per_s_max"] for row in rows if row["arm"] in ARMS)])
    for y, row in enumerate(rows):
        if row["arm"] in ARMS:
            name, end = f"{row['arm']}_output_tokens_per_s", row[f"{row['arm']}_output_tokens_per_s_max"]
            _measured(axes, y, row, name, look(row["engine"]).colour)
            ratio = _ratio(row, with_interval) if row["arm"] == "shared" else ""
            _note(axes, end, y, value_text(row[f"{name}_median"]) + ratio)
        elif row["arm"] == "ratio":
            _note(axes, 0, y, f"×{value_text(row['value'].low)} over {row['value'].over}", GREY)
    axes.set_xlim(0, longest * 2.3)
    axes.set_xlabel("Output tokens per second;\n×: over the same engine, off")


def _draw_running(axes: Axes, rows: Sequence[Row]) -> None:
    for y, row in enumerate(rows):
        if row["arm"] in ARMS:
            name = f"{row['arm']}_running_mean_requests"
            _measured(axes, y, row, name, look(row["engine"]).colour)
            _note(axes, row[f"{name}_max"], y, value_text(row[f"{name}_median"]))
    axes.set_xlim(0, 1.35 * axes.get_xlim()[1])
    axes.set_xlabel("Requests running,\nmean over steps")


def _percent(share: float) -> str:
    return UNKNOWN if np.isnan(share) else f"{100 * share:.1f}"


def _measured(axes: Axes, y: int, row: Row, name: str, colour: str) -> None:
    """Draw a bar at the median with its interval, paler without sharing."""
    _bar(axes, y, row[f"{name}_median"], colour, "" if row["arm"] == "shared" else "...", row["arm"] != "shared")
    if pd.notna(row[f"{name}_ci95_low"]):
        middle = row[f"{name}_median"]
        errors = [[middle - row[f"{name}_ci95_low"]], [row[f"{name}_ci95_high"] - middle]]
        axes.errorbar(middle, y, xerr=errors, fmt="none", ecolor="black", elinewidth=0.9, capsize=2.5)


def _bar(axes: Axes, y: int, width: float, colour: str, hatch: str, pale: bool = False) -> None:
    axes.barh(y, width, height=0.6, color=colour, hatch=hatch, edgecolor="white", linewidth=0, alpha=0.6 if pale else 1)


def _note(axes: Axes, x: float, y: int, text: str, colour: str = "black") -> None:
    place = (0 if np.isnan(x) else x, y)
    axes.annotate(text, place, (5, 0), textcoords="offset points", va="center", fontsize=7, color=colour)


def _ratio(row: Row, with_interval: bool) -> str:
    span = ""
    if with_interval and pd.notna(row["ratio_ci95_low"]):
        span = f" [{value_text(row['ratio_ci95_low'])}, {value_text(row['ratio_ci95_high'])}]"
    return f"  ×{value_text(row['ratio'])}{span}"


def _handles(traces: Sequence[tuple[BlockTrace, BlockTrace]]) -> list[Any]:
    colour = look(traces[0][0].engine).colour if len(traces) == 1 else GREY
    return [
        Patch(facecolor=colour, alpha=0.75, label="in use, sharing on"),
        Patch(facecolor="white", edgecolor=SAVED_COLOUR, hatch="////", label="saved: the same requests unshared"),
        Line2D([], [], color="black", lw=1, ls=(0, (4, 1.5)), label="in use, sharing off"),
        Line2D([], [], color=GREY, lw=0.8, ls=":", label="pool"),
    ]


def _caption(table: pd.DataFrame, published: Mapping[str, Sequence[Published]]) -> str:
    n = range_text(table[["shared_n_repeats", "unshared_n_repeats"]].to_numpy().ravel())
    hits = "/".join(f"{100 * share:.0f}" for share in table["prefix_hit_share_of_prompts_median"].dropna())
    found = f"{hits}% of the prompts was found" if hits else "what was found of the prompts is not known"
    interval = ", whisker and brackets: 95% bootstrap interval" if table["ratio_ci95_low"].notna().any() else ""
    lost = table["disturbed_repeats"].sum()
    other = f"; other load disturbed {lost:.0f} repeats" if lost else ""
    text = f"bar: median of n = {n} repeats{interval}; {found}{other}"
    sources = {f"{one.source}: {one.conditions}" for ones in published.values() for one in ones}
    return text + "".join(f"\npaper, {source}" for source in sorted(sources))
