"""KV waste: the use of allocated slots as shares, and separately the idle pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kvbench.figures.data.rates import without_lower_rates
from kvbench.figures.data.rows import rows_of
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
    shown_uses,
    styled,
)
from kvbench.figures.words import use_text
from kvbench.records import SPLIT

OPTIONS = {"width_in": WIDTH_IN}
MIN_LABELLED = 0.06


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    rows = rows_of(job.input.table, job.wildcards.model, job.wildcards.workload)
    return draw(without_lower_rates(rows), job.params.options)


@styled
def draw(table: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """Bars of `*_share_of_allocated` (kv_waste.csv), one row per run; right, a mark at the pool's mean unused share."""
    width_in = settle(options, OPTIONS)["width_in"]
    if table.empty:
        return said("No timed repeat whose slots could be counted.", width_in)
    figure, (bars, marks) = rows_figure(len(table), 2, width_in=width_in, margin_in=1.1, ratios=[3.4, 1])
    for y, row in enumerate(table.to_dict("records")):
        _draw_row(bars, y, row)
        _draw_unused(marks, y, row["unused_pool_share_of_pool"] * 100)
    bars.set_xticks([0, 25, 50, 75, 100])
    marks.set_xticks([0, 50, 100])  # more would touch where long names leave little width
    bars.set_xlim(0, 100)
    bars.set_xlabel("Share of allocated slots (%),\nsummed over the steps of the timed repeats")
    marks.set_xlim(-4, 130)
    marks.set_xlabel("Unused pool,\nidle (% of pool)")
    marks.grid(axis="x")
    name_rows(bars, [_name(row) for row in table.to_dict("records")])
    handles = [
        Patch(facecolor=SPLIT_COLOURS[n], hatch=SPLIT_HATCHES[n], edgecolor="white", linewidth=0, label=use_text(n))
        for n in shown_uses({name: table[f"{name}_share_of_allocated"] for name in SPLIT})
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3 if is_narrow(width_in) else len(handles))
    return figure


def _name(row: Mapping[str, Any]) -> str:
    return row["label"] if row["scope"] == "all" else f"{row['label']}\n(subset)"


def _draw_row(axes: Axes, y: int, row: Mapping[str, Any]) -> None:
    start = 0.0
    for name in SPLIT:
        share = row[f"{name}_share_of_allocated"]
        share = 0.0 if np.isnan(share) else share
        colour, hatch = SPLIT_COLOURS[name], SPLIT_HATCHES[name]
        axes.barh(
            y, share * 100, left=start, height=0.62, color=colour, hatch=hatch, edgecolor="white", lw=0, label=name
        )
        if share >= MIN_LABELLED:
            number_on(axes, start + share * 50, y, f"{share:.1%}".rstrip("%"), dark=name == "live")
        start += share * 100


def _draw_unused(axes: Axes, y: int, percent: float) -> None:
    if np.isnan(percent):
        return
    axes.plot([percent], [y], "d", color="0.25", ms=5, clip_on=False)
    axes.annotate(f"{percent:.1f}", (percent, y), (6, 0), textcoords="offset points", va="center", fontsize=7)
