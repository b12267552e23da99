"""The share of a step's time that vLLM spends on the upkeep of block tables, by number of running requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log2
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from kvbench.figures.data.rows import rows_of
from kvbench.figures.points import panels_figure
from kvbench.figures.style import WIDTH_IN, is_narrow, look, said, settle, styled
from kvbench.figures.words import range_text

OPTIONS = {"width_in": WIDTH_IN}
NO_UPKEEP = "No run of vLLM in which the upkeep of block tables was timed."
PANELS = {
    "allocate_share_of_step": "Allocating and freeing blocks\n(% of step time)",
    "tables_share_of_step": "Building block tables\n(% of step time)",
}
# Larger block sizes of an engine have paler lines: share of the engine's own colour, and dashes.
SHADES = ((1.0, "-"), (0.7, (0, (4, 1.5))), (0.5, (0, (1, 1))), (0.35, "-."))
FEW_STEPS = 10  # a single call that the machine interrupts may then be most of the sum
OVERLAP = "Scheduling is asynchronous: host and device work at the same time, so a share is not a slowdown."


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    return draw(rows_of(job.input.table, job.wildcards.model, job.wildcards.workload), job.params.options)


@styled
def draw(table: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """A line per engine and block size (upkeep.csv), left for the scheduler's part, right for the workers'."""
    width_in, lines = settle(options, OPTIONS)["width_in"], lines_of(table)
    if not lines:
        return said(NO_UPKEEP, width_in)
    figure, panels = panels_figure(2, width_in, _text(lines))
    handles = []
    for shade, rows in lines:
        style = _style(rows.iloc[0], shade)
        for axes, name in zip(panels, PANELS, strict=True):
            axes.plot(rows["running_mean_requests"], 100 * rows[name], **style)
            few = rows[rows["steps"] < FEW_STEPS]
            hollow = style | {"ls": "", "mfc": "white", "mec": style["color"], "mew": 1}
            axes.plot(few["running_mean_requests"], 100 * few[name], **hollow)
        handles.append(Line2D([], [], **style, label=_label(rows.iloc[0])))
    for axes, name in zip(panels, PANELS, strict=True):
        axes.set_ylabel(PANELS[name])
        axes.set_ylim(0, max(1.15 * axes.dataLim.y1, 1e-3))
        _powers_of_two(axes)
    columns = 1 if is_narrow(width_in) else 2 if len(handles) == 4 else 3
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, handlelength=3)
    return figure


def lines_of(table: pd.DataFrame) -> list[tuple[int, pd.DataFrame]]:
    """The bins of one run per engine and block size, with the rank of that size; the base point where there is one."""
    bins = table[(table["running_requests"].astype(str) != "all") & table["running_mean_requests"].notna()]
    found = []
    for _, rows in bins.groupby("engine", sort=False):
        for shade, (_, own) in enumerate(rows.groupby("block_size")):
            found.append((shade, own[own["point"] == own["point"].iloc[0]].sort_values("running_mean_requests")))
    return found


def _style(row: pd.Series, shade: int) -> dict[str, Any]:
    own = look(row["engine"])
    strength, dashes = SHADES[shade % len(SHADES)]
    colour = [1 - strength * (1 - part) for part in to_rgb(own.colour)]
    return {"color": colour, "ls": dashes, "marker": own.marker, "ms": 6, "mec": "white", "mew": 0.5}


def _label(row: pd.Series) -> str:
    return f"{row['engine']}, blocks of {row['block_size']:.0f}"


def _powers_of_two(axes: Axes) -> None:
    """A logarithmic axis of running requests with a label at every power of two, or every other if there are many."""
    axes.set_xscale("log", base=2)
    low, high = axes.dataLim.intervalx
    powers = [1 << n for n in range(max(floor(log2(low)), 0), max(ceil(log2(high)), 0) + 1)]
    axes.set_xlim(min(low, *powers) / 1.25, max(high, *powers) * 1.25)
    axes.xaxis.set_major_locator(FixedLocator(powers[:: 2 if len(powers) > 6 else 1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Running requests")
    axes.grid(True)


def _text(lines: Sequence[tuple[int, pd.DataFrame]]) -> str:
    steps = range_text(rows["steps"].sum() for _, rows in lines)
    what = "Host time over step time in an untimed pass, summed over the steps with 1, 2, 3-4, 5-8, … running requests"
    text = f"{what}, at their mean; {steps} steps a line."
    if any((rows["steps"] < FEW_STEPS).any() for _, rows in lines):
        text += f" Hollow: fewer than {FEW_STEPS} steps."
    overlaps = any(str(value) == "True" for _, rows in lines for value in rows["async_scheduling"])
    return f"{text} {OVERLAP}" if overlaps else text
