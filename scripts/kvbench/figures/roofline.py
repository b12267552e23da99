"""Decode steps compared with the memory-bound part of the roofline, and how busy the device was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kvbench.figures.data.rows import rows_of
from kvbench.figures.style import WIDTH_IN, is_narrow, logarithmic, look, name_rows, rows_figure, said, settle, styled
from kvbench.figures.words import range_text, share_text, value_text

OPTIONS = {"width_in": WIDTH_IN}
NO_STEP = "No decoding step to measure: no request has two in a row, for which an output needs three tokens."
BUSY = {"gpu_busy_share": "GPU busy (% of time)", "cpu_busy_share": "CPU threads busy (%)"}


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    return draw(rows_of(job.input.table, job.wildcards.model, job.wildcards.workload), job.params.options)


@styled
def draw(table: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """A row per run (roofline.csv): its step time and the least time that memory allows; right, its busy share."""
    width_in = settle(options, OPTIONS)["width_in"]
    table = one_scope(table[table["decode_step_s_median"].notna()])
    if table.empty:
        return said(NO_STEP, width_in)
    labels = [f"{row['label']}\n{row['running_mean_requests']:.3g} at once" for _, row in table.iterrows()]
    figure, (left, right) = rows_figure(len(table), 2, width_in=width_in, row_in=0.36, ratios=(2.2, 1))
    for y, (_, row) in enumerate(table.iterrows()):
        _draw_step(left, y, row)
    known = [name for name in BUSY if table[name].notna().any()]
    for y, (_, row) in enumerate(table.iterrows()):
        _draw_busy(right, y, row, known)
    left.set_xlabel("Time of a decoding step (ms)")
    right.set_xlabel(BUSY[known[0]] if known else "Busy share: not known here")
    right.set_xlim(0, 118)
    right.set_xticks([0, 50, 100])
    right.grid(axis="x")
    logarithmic(left)  # before its limits are read, because those of a linear axis may begin below zero
    low, high = left.get_xlim()
    left.set_xlim(low, high * 1.15)
    for axes in (left, right):
        name_rows(axes, labels)
    figure.legend(handles=_legend(table), loc="outside upper center", ncols=1 if is_narrow(width_in) else 2)
    return figure


def one_scope(table: pd.DataFrame) -> pd.DataFrame:
    """One row per run: of scope `all`, or of `sequential` if it has no other."""
    return table.sort_values("scope", kind="stable").drop_duplicates(["engine", "point"]).sort_index()


def _draw_step(axes: Axes, y: int, row: pd.Series) -> None:
    style, measured = look(row["engine"]), 1e3 * row["decode_step_s_median"]
    ends = [1e3 * row[f"decode_step_s_{end}"] for end in ("ci95_low", "ci95_high")]
    if pd.isna(ends[0]):
        ends = [1e3 * row[f"decode_step_s_{end}"] for end in ("min", "max")]
    text = f"{value_text(measured)} ms"
    if pd.notna(row["bound_s"]):
        bound = 1e3 * row["bound_s"]
        axes.hlines(y, bound, measured, color="0.75", lw=1)
        axes.plot(bound, y, marker="|", ms=13, mew=2, color="black")
        text += f", {share_text(row['fraction_of_bound'])} of copy bandwidth"
    axes.hlines(y, *ends, color="black", lw=1)
    axes.plot(measured, y, marker=style.marker, ms=6, color=style.colour, mec="black", mew=0.5)
    place = {"xytext": (0, 6), "textcoords": "offset points", "ha": "right", "va": "bottom", "fontsize": 7}
    axes.annotate(text, (1, y), xycoords=axes.get_yaxis_transform(), **place)


def _draw_busy(axes: Axes, y: int, row: pd.Series, known: list[str]) -> None:
    share = next((row[name] for name in known if pd.notna(row[name])), None)
    if share is None:
        return
    style = look(row["engine"])
    axes.barh(y, 100 * share, height=0.5, color=style.colour, hatch=style.hatch, ec="black", lw=0.5)
    axes.annotate(f"{share:.0%}", (100 * share, y), (3, 0), textcoords="offset points", va="center", fontsize=7)


def _legend(table: pd.DataFrame) -> list[Line2D]:
    measured = Line2D([], [], ls="", marker="o", mec="black", mew=0.5, color="0.7")
    measured.set_label(f"measured: median, 95% interval or range, n = {range_text(table['n_repeats'])}")
    bound = Line2D(
        [], [], ls="", marker="|", ms=11, mew=2, color="black", label="weights and live KV at copy bandwidth"
    )
    return [measured, bound]
