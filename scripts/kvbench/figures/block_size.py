"""Block size: how full allocated blocks are, live and replayed from 1 token per block on, and throughput."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from kvbench.analysis.published import Published, read_published
from kvbench.figures.data.rows import rows_of
from kvbench.figures.points import (
    GREY,
    NO_POINT,
    caption,
    drawable,
    handles,
    measured_points,
    panels_figure,
    replay_lines,
    with_sizes,
)
from kvbench.figures.style import WIDTH_IN, said, settle, styled
from kvbench.files import read_table

OPTIONS = {"width_in": WIDTH_IN}
# Kinds of workload for which config/published.yaml has the block sizes of least latency.
PUBLISHED = {"sharegpt": "sharegpt_block_size_least_latency", "alpaca": "alpaca_block_size_least_latency"}


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    table = rows_of(job.input.table, job.wildcards.model, job.wildcards.workload)
    quantity = PUBLISHED.get(job.params.kind)
    published = read_published(job.input.published, quantity) if quantity else []
    replays = read_table(job.input.replays)
    return draw(table[table["sweep"] == "block_size"], replays, published, job.params.options)


@styled
def draw(
    table: pd.DataFrame,
    replays: pd.DataFrame,
    published: Sequence[Published] = (),
    options: Mapping[str, Any] | None = None,
) -> Figure:
    """Left, live over allocated slots; right, output tokens per second, live only.

    `table` has the rows of sweeps.csv of one sweep of block sizes, `replays` its replays. `published` are the block
    sizes of least latency; latency differs from our metric, so they are drawn as a bar over the sizes, not as a value.
    """
    width_in, table = settle(options, OPTIONS)["width_in"], drawable(table, "block_size")
    if table.empty:
        return said(NO_POINT, width_in)
    figure, (filled, speed) = panels_figure(2, width_in, _text(table, published))
    replay_lines(filled, "block_size", replays, "live_share_of_allocated", 100)
    for rows, size in with_sizes(table):
        measured_points(filled, "block_size", rows, size, "live_share_of_allocated", 100)
        measured_points(speed, "block_size", rows, size, "output_tokens_per_s", 1)
    filled.set_ylim(0, 103)
    filled.set_ylabel("Live over allocated slots (%)")
    speed.set_ylim(0, speed.get_ylim()[1] * (1.1 + 0.2 * len(published)))
    speed.set_ylabel("Output tokens per second")
    _draw_published(speed, published)
    for axes in (filled, speed):
        _powers_of_two(axes)
    figure.legend(handles=handles(table, replays), loc="outside upper left", ncols=3)
    return figure


def _draw_published(axes: Axes, published: Sequence[Published]) -> None:
    top = axes.get_ylim()[1]
    for number, one in enumerate(published):
        y = top * (0.96 - 0.15 * number)
        axes.plot([one.low, one.high], [y, y], color="0.65", lw=4, solid_capstyle="butt")
        text = f"paper, {one.label}: least latency"
        axes.annotate(text, (one.low, y), (0, -4), textcoords="offset points", va="top", fontsize=7, color=GREY)


def _powers_of_two(axes: Axes) -> None:
    """A logarithmic axis with a label at every power of two, or at every other one if there are many."""
    axes.set_xscale("log", base=2)
    low, high = axes.dataLim.intervalx
    powers = [1 << n for n in range(11) if low <= 1 << n <= high]
    axes.set_xlim(low / 1.4, high * 1.4)
    axes.xaxis.set_major_locator(FixedLocator(powers[:: 2 if len(powers) > 8 else 1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Block size (tokens)")
    axes.grid(True)


def _text(table: pd.DataFrame, published: Sequence[Published]) -> str:
    low, high = table["pool_slots"].min(), table["pool_slots"].max()
    pool = f"KV pool: {low:,}{f' to {high:,}' if high > low else ''} slots"
    return "\n".join([caption(table), pool, *(f"paper, {one.source}: {one.conditions}" for one in published)])
