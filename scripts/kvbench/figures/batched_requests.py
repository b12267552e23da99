"""How many requests ran at once under each policy, on average, with the paper's values below ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kvbench.analysis.published import Published, read_published
from kvbench.figures.style import OTHER, WIDTH_IN, Look, is_narrow, look, name_rows, said, settle, styled, wrapped
from kvbench.replay.describe import NO_POLICY, arrival, note
from kvbench.replay.table import rows_of

OPTIONS = {"width_in": WIDTH_IN}
PUBLISHED = "batched_requests"
# An engine's policy looks like the engine; the paper's other reservation policies share the colour of reserve-max.
RESERVED = look("vllm-reserved")
LOOKS = {
    "reserve-max": RESERVED,
    "power-of-two": Look(RESERVED.colour, "///", ""),
    "oracle": Look(RESERVED.colour, "...", ""),
    "hf-batch": look("hf-batch"),
    "hf-static": look("hf-static"),
    "paged": look("vllm"),
}
PAPER_COLOUR, GREY = "0.72", "0.35"


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    published = read_published(job.input.published, PUBLISHED)
    return draw(rows_of(job.input.table, job.wildcards.scenario), published, job.params.options)


@styled
def draw(table: pd.DataFrame, published: Sequence[Published], options: Mapping[str, Any] | None = None) -> Figure:
    """Bars of `running_mean_requests` of a scenario's rows of replays.csv; below each, the published value for it."""
    width_in = settle(options, OPTIONS)["width_in"]
    rows = table[table["running_mean_requests"].notna()].to_dict("records")
    if not rows:
        return said(NO_POLICY, width_in)
    shown = [(y, one) for y, row in enumerate(rows) for one in published if one.applies(row)]
    height_in = 1.35 + 0.36 * max(len(rows), 2) + (0.5 if is_narrow(width_in) else 0)
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    axes = figure.subplots()
    _draw_ours(axes, rows, {y for y, _ in shown})
    _draw_published(axes, shown)
    axes.set_xlim(0, 1.16 * max([*(row["running_mean_requests"] for row in rows), *(one.low for _, one in shown)]))
    axes.set_xlabel("Requests running at once, mean over steps")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    name_rows(axes, [row["policy"] for row in rows])
    if shown:
        figure.legend(handles=_handles(table), loc="outside upper center", ncols=1 if is_narrow(width_in) else 2)
    figure.supxlabel(wrapped(note(table, [one for _, one in shown]), width_in), fontsize=7.5)
    return figure


def _draw_ours(axes: Axes, rows: Sequence[Mapping[str, Any]], shared: Set[int]) -> None:
    """One bar per row, moved up if it shares the row with a published value."""
    for y, row in enumerate(rows):
        own, top = LOOKS.get(row["policy"], OTHER), y - 0.13 * (y in shared)
        bar = {"height": 0.42, "color": own.colour, "hatch": own.hatch, "edgecolor": "white", "lw": 0}
        axes.barh(top, row["running_mean_requests"], **bar)
        _note_value(axes, row["running_mean_requests"], top, "black")


def _draw_published(axes: Axes, shown: Sequence[tuple[int, Published]]) -> None:
    for y, one in shown:
        axes.barh(y + 0.24, one.low, height=0.22, color=PAPER_COLOUR)
        _note_value(axes, one.low, y + 0.24, GREY)


def _note_value(axes: Axes, value: float, y: float, colour: str) -> None:
    axes.annotate(f"{value:.2f}", (value, y), (4, 0), textcoords="offset points", va="center", fontsize=7, color=colour)


def _handles(table: pd.DataFrame) -> list[Patch]:
    return [
        Patch(facecolor=GREY, label=f"wide: ours, {arrival(table)}"),
        Patch(facecolor=PAPER_COLOUR, label="narrow: paper, arriving over time"),
    ]
