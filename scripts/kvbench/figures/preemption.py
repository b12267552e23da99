"""Preemption: the cost of a small pool with vLLM, which preempts by recomputation; live, and replayed in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from kvbench.figures.data.rows import rows_of
from kvbench.figures.points import (
    NO_POINT,
    caption,
    drawable,
    handles,
    measured_points,
    panels_figure,
    replay_lines,
    with_sizes,
)
from kvbench.figures.style import WIDTH_IN, logarithmic, said, settle, styled
from kvbench.files import read_table

OPTIONS = {"width_in": WIDTH_IN}
# Columns of sweeps.csv by panel: label, factor.
PANELS = {
    "preemptions_per_request": ("Preemptions per request", 1),
    "recomputed_share_of_computed": ("Tokens computed again (%)", 100),
    "output_tokens_per_s": ("Output tokens per second", 1),
}


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    table = rows_of(job.input.table, job.wildcards.model, job.wildcards.workload)
    replays = read_table(job.input.replays)
    return draw(table[table["sweep"] == "kv_budget_mib"], replays, job.params.options)


@styled
def draw(table: pd.DataFrame, replays: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """A panel per quantity over the slots of the pool; the replay has no speed.

    `table` has the rows of sweeps.csv of one sweep of KV budgets, `replays` its replays.
    """
    width_in, table = settle(options, OPTIONS)["width_in"], drawable(table, "pool_slots")
    if table.empty:
        return said(NO_POINT, width_in)
    figure, panels = panels_figure(len(PANELS), width_in, f"{caption(table)}\n{_block(table)}")
    for axes, (name, (label, factor)) in zip(panels, PANELS.items(), strict=True):
        if name in replays:
            replay_lines(axes, "pool_slots", replays, name, factor)
        for rows, size in with_sizes(table):
            measured_points(axes, "pool_slots", rows, size, name, factor)
        axes.margins(x=0.1)
        logarithmic(axes)
        axes.grid(axis="y")
        top = max(axes.get_ylim()[1], 0.1 * factor)
        axes.set_ylim(-0.03 * top, top)
        axes.set_xlabel("KV pool (slots)")
        axes.set_ylabel(label)
    figure.legend(handles=handles(table, replays), loc="outside upper left", ncols=3)
    return figure


def _block(table: pd.DataFrame) -> str:
    sizes = "/".join(f"{size:g}" for size in sorted({*table["block_size"].dropna()}))
    return f"blocks of {sizes} tokens; a preempted request computes its tokens again, V1 of vLLM swaps none"
