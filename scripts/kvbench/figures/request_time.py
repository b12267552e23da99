"""What requests spend their time on, from due to the last token: by engine and rate, and of the slowest requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kvbench.figures.data.rates import at_common_rates, at_rates, is_true
from kvbench.figures.data.rows import by_engine, rows_of
from kvbench.figures.rates import NO_ARRIVALS
from kvbench.figures.style import WIDTH_IN, is_narrow, said, settle, styled, wrapped
from kvbench.figures.words import TIME_WORDS, value_text

OPTIONS = {"width_in": WIDTH_IN}
MOST_RATES = 6
FEWEST_SLOW = 3
ROW_IN = 0.15
# Colour and hatch of each part: waiting is warm, computing is blue and green.
LOOKS = {
    "entering": ("#BBBBBB", ""),
    "memory_wait": ("#D55E00", ""),
    "limit_wait": ("#E69F00", "///"),
    "prefill": ("#0072B2", ""),
    "decode": ("#56B4E9", ""),
    "beside_prefill": ("#009E73", "..."),
    "preempted": ("#CC79A7", "xxx"),
    "batch_wait": ("#F0E442", "\\\\\\"),
}
NOT_RECORDED = "The runs with arrivals have no record of what their requests' time was spent on."


@dataclass(frozen=True)
class Block:
    """The bars of an engine: a heading, and of B bars their names, parts in percent, shape (B, parts), and texts."""

    heading: str
    names: list[str]
    shares: np.ndarray
    texts: list[str]


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    names = (job.wildcards.model, job.wildcards.workload)
    return draw(rows_of(job.input.table, *names), rows_of(job.input.slowest_requests, *names), job.params.options)


@styled
def draw(table: pd.DataFrame, slowest: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """A bar per engine and rate (serving.csv), and beside them bars of its slowest requests (slowest_requests.csv)."""
    width_in, table = settle(options, OPTIONS)["width_in"], at_rates(table)
    if table.empty:
        return said(NO_ARRIVALS, width_in)
    shown = at_common_rates(table, MOST_RATES)
    panels = [("All requests", _by_rate(shown)), ("The slowest requests", _slowest(shown, slowest))]
    panels = [(title, blocks) for title, blocks in panels if blocks]
    if not panels or panels[0][0] != "All requests":
        return said(NOT_RECORDED, width_in)
    below = wrapped(_caption(table), width_in)
    figure, axes = _figure(panels, width_in, below.count("\n"))
    for one, (title, blocks) in zip(axes, panels, strict=True):
        one.set_title(title, loc="left")
        _draw_blocks(one, blocks)
    used = np.concatenate([block.shares for _, blocks in panels for block in blocks]).max(axis=0) > 0
    handles = [_patch(name) for name, is_used in zip(LOOKS, used, strict=True) if is_used]
    figure.legend(handles=handles, loc="outside upper left", ncols=1 if is_narrow(width_in) else 3)
    figure.supxlabel(below, fontsize=7.5)
    return figure


def _by_rate(table: pd.DataFrame) -> list[Block]:
    """A block per engine, a bar per rate; rows without parts are left out."""
    columns = [f"{name}_share_of_time" for name in LOOKS]
    return [
        Block(
            rows["engine"].iloc[0],
            [f"{rate:.3g}/s" for rate in rows["rate"]],
            100 * rows[columns].to_numpy(float),
            rows["e2e_s_median"].map(_seconds).mask(_full(rows), "saturated").tolist(),
        )
        for rows in by_engine(table.dropna(subset=columns))
    ]


def _slowest(table: pd.DataFrame, slowest: pd.DataFrame) -> list[Block]:
    """A block per engine: the slowest requests at the highest rate at which it is not saturated, or at its lowest."""
    columns, found = [f"{name}_s" for name in LOOKS], []
    for rows in by_engine(table):
        kept = rows[~_full(rows)]
        chosen = rows.iloc[0] if kept.empty else kept.iloc[-1]
        own = slowest[(slowest["engine"] == chosen["engine"]) & (slowest["point"] == chosen["point"])]
        own = own.dropna(subset=columns).head(max(len(rows), FEWEST_SLOW))
        if len(own):
            parts = own[columns].to_numpy(float)
            shares = 100 * parts / parts.sum(axis=1, keepdims=True)
            heading = f"{chosen['engine']} at {chosen['rate']:.3g}/s"
            found.append(Block(heading, [""] * len(own), shares, [_seconds(value) for value in own["e2e_s"]]))
    return found


def _full(rows: pd.DataFrame) -> pd.Series:
    return is_true(rows["saturated"])


def _seconds(value: float) -> str:
    return "" if pd.isna(value) else f"{value_text(float(value))} s"


def _figure(
    panels: Sequence[tuple[str, Sequence[Block]]], width_in: float, lines: int
) -> tuple[Figure, Sequence[Axes]]:
    """Panels side by side or (narrow) stacked, as high as their bars need."""
    rows = [sum(len(block.names) + 1.4 for block in blocks) for _, blocks in panels]
    narrow = is_narrow(width_in)
    bars = sum(rows) + 4 * len(rows) if narrow else max(rows) + 4
    height_in = bars * ROW_IN + 0.13 * lines + (1.6 if narrow else 0.9)
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, wspace=0.03)
    grid = {"nrows": len(panels), "height_ratios": rows} if narrow else {"ncols": len(panels)}
    return figure, list(figure.subplots(**grid, squeeze=False).flat)


def _draw_blocks(axes: Axes, blocks: Sequence[Block]) -> None:
    """Blocks below each other, each with its heading above its bars."""
    places, top = [], 0.0
    for block in blocks:
        axes.text(0.5, top, block.heading, va="center", fontsize=7.5, fontweight="bold")
        places += [top + 1 + number for number in range(len(block.names))]
        top += len(block.names) + 1.4
    shares = np.concatenate([block.shares for block in blocks])
    starts = np.cumsum(shares, axis=1) - shares
    for part, (colour, hatch) in enumerate(LOOKS.values()):
        axes.barh(
            places,
            shares[:, part],
            left=starts[:, part],
            height=0.8,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.3,
            label=list(LOOKS)[part],
        )
    for y, text in zip(places, [text for block in blocks for text in block.texts], strict=True):
        axes.text(102, y, text, va="center", fontsize=7, color="0.45" if text == "saturated" else "black")
    axes.set_yticks(places, [name for block in blocks for name in block.names], fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(top - 0.8, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("Share of the time from due to the last token (%)")


def _patch(name: str) -> Patch:
    colour, hatch = LOOKS[name]
    return Patch(facecolor=colour, hatch=hatch, edgecolor="white", linewidth=0.3, label=TIME_WORDS[name])


def _caption(table: pd.DataFrame) -> str:
    """What a bar and the number at its end is."""
    text = "bar: time of all counted requests of all repeats, by part; number: median from due to the last token"
    if is_true(table["saturated"]).any():
        text += "; saturated: more arrives than is served, so that waiting grows with the length of the run"
    return f"{text}; the slowest requests, a bar each, are of the highest rate that is not saturated, or of the lowest"
