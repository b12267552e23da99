"""The use of the KV region under each policy while memory is short, and the use of slots by requests run one by one."""

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
from kvbench.figures.style import (
    SPLIT_COLOURS,
    SPLIT_HATCHES,
    WIDTH_IN,
    is_narrow,
    name_rows,
    number_on,
    rows_figure,
    said,
    settle,
    styled,
    wrapped,
)
from kvbench.replay.describe import NO_POLICY, note
from kvbench.replay.table import REGION, rows_of

OPTIONS = {"width_in": WIDTH_IN}
# Quantities of config/published.yaml by the column beside which they are shown.
PUBLISHED = {
    "live_share_of_region": "kv_region_live_share",
    "alone_live_share_of_allocated": "alone_live_share",
}
COLOURS = {**SPLIT_COLOURS, "external": "#D55E00", "blocked": "#C8C8C8"}
HATCHES = {**SPLIT_HATCHES, "external": "+++", "blocked": "|||"}
NAMES = {"live": "live (token states)", "external": "external fragmentation", "blocked": "free, fits no request"}
MARK = {"marker": "D", "color": "black", "mec": "white", "mew": 0.8, "ms": 6, "ls": ""}
GREY = "0.35"

Row = Mapping[str, Any]


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    published = {column: read_published(job.input.published, name) for column, name in PUBLISHED.items()}
    return draw(rows_of(job.input.table, job.wildcards.scenario), published, job.params.options)


@styled
def draw(
    table: pd.DataFrame, published: Mapping[str, Sequence[Published]], options: Mapping[str, Any] | None = None
) -> Figure:
    """Bars of `*_share_of_region` of a scenario's rows of replays.csv; right, `alone_live_share_of_allocated`.

    `published` has values by the column beside which they are shown; each is drawn on the rows to which it applies.
    """
    width_in = settle(options, OPTIONS)["width_in"]
    narrow, rows = is_narrow(width_in), table.to_dict("records")
    if not rows:
        return said(NO_POLICY, width_in)
    figure, (bars, alone) = rows_figure(len(rows), 2, width_in=width_in, margin_in=1.35, ratios=[2.6, 1])
    shown = {column: _of(rows, values) for column, values in published.items()}
    for y, row in enumerate(rows):
        marks = [100 * one.low for at, one in shown.get("live_share_of_region", []) if at == y]
        _draw_region(bars, y, row, marks, 0.1 if narrow else 0.05)
        _draw_alone(alone, y, row["alone_live_share_of_allocated"] * 100)
    for axes, column in ((bars, "live_share_of_region"), (alone, "alone_live_share_of_allocated")):
        _draw_published(axes, shown.get(column, []), 103 if axes is bars or narrow else 109)
        axes.set_xticks([0, 25, 50, 75, 100])
    marked = [one for pairs in shown.values() for _, one in pairs]
    bars.set_xlim(0, 115 if marked else 100)
    alone.set_xlim(0, (115 if narrow else 140) if marked else 100)
    bars.set_xlabel("Share of the KV region (%)")
    alone.set_xlabel("One request at a time:\nlive of allocated (%)")
    name_rows(bars, [row["policy"] for row in rows])
    figure.legend(handles=_handles(rows, bool(marked)), loc="outside upper center", ncols=2 if narrow else 4)
    figure.supxlabel(wrapped(note(table, marked), width_in), fontsize=7.5)
    return figure


def _of(rows: Sequence[Row], values: Sequence[Published]) -> list[tuple[int, Published]]:
    """Each value with the number of the row beside which it is shown."""
    return [(y, one) for y, row in enumerate(rows) for one in values if one.applies(row)]


def _draw_region(axes: Axes, y: int, row: Row, marks: Sequence[float], least_labelled: float) -> None:
    """Draw the parts; the number of a part is in its middle, or between a published mark and its end."""
    start = 0.0
    for name in REGION:
        share = np.nan_to_num(row[f"{name}_share_of_region"])
        colour = COLOURS[name]
        axes.barh(y, share * 100, left=start, height=0.62, color=colour, hatch=HATCHES[name], edgecolor="white", lw=0)
        if share >= least_labelled:
            dark = name == "live"
            begin = max([start, *(mark + 3 for mark in marks if not dark and start <= mark < start + share * 100)])
            number_on(axes, (begin + start + share * 100) / 2, y, f"{share * 100:.1f}", dark=dark)
        start += share * 100


def _draw_alone(axes: Axes, y: int, percent: float) -> None:
    if np.isnan(percent):
        axes.text(2, y, "depends on its batch", va="center", fontsize=7, color=GREY)
        return
    axes.barh(y, percent, height=0.62, color=COLOURS["live"])
    inside = percent > 50  # the number of a short bar is right of the bar and of a diamond near its end
    place = {"ha": "center", "color": "white"} if inside else {"ha": "left", "color": "black"}
    axes.text(percent / 2 if inside else percent + 12, y, f"{percent:.1f}", va="center", fontsize=7, **place)


def _draw_published(axes: Axes, values: Sequence[tuple[int, Published]], text_x: float) -> None:
    """Draw a diamond at the value and the number at the right."""
    for y, one in values:
        axes.plot(100 * one.low, y, **MARK)
        axes.text(text_x, y, f"{100 * one.low:.1f}", va="center", fontsize=7, color=GREY)


def _handles(rows: Sequence[Row], marked: bool) -> list[Any]:
    there = [name for name in REGION if any(row[f"{name}_share_of_region"] > 0 for row in rows)]
    patches = [
        Patch(facecolor=COLOURS[name], hatch=HATCHES[name], edgecolor="white", lw=0, label=NAMES.get(name, name))
        for name in there
    ]
    return [*patches, Line2D([], [], **MARK, label="paper, live (value at right)")] if marked else patches
