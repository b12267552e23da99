"""The share of prompt tokens that a prefix cache finds again, against the size of its pool, by block size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullLocator

from kvbench.figures.style import WIDTH_IN, is_narrow, logarithmic, said, settle, styled, wrapped
from kvbench.files import read_table
from kvbench.replay.describe import requests
from kvbench.replay.table import rows_of

OPTIONS = {"width_in": WIDTH_IN}
# Okabe and Ito's colours; the markers tell curves apart in greyscale.
LOOKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"))
REPLAYED = {"marker": "*", "color": "black", "ms": 10, "mec": "white", "mew": 0.8, "ls": "", "zorder": 4}
NOTHING = "The hit rates of this scenario have no pool of a finite size."


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    found, scenario = read_table(job.input.table), job.wildcards.scenario
    replayed = rows_of(job.input.replays, scenario)
    return draw(found[found["scenario"] == scenario], replayed, job.params.options)


@styled
def draw(found: pd.DataFrame, replayed: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """Lines of a scenario's rows of hit_rates.csv; a star for `paged` in its rows of replays.csv, many at once."""
    width_in = settle(options, OPTIONS)["width_in"]
    sized = found.dropna(subset=["pool_tokens", "hit_share"])
    if sized.empty:
        return said(NOTHING, width_in)
    text = wrapped(note(found, replayed), width_in)
    narrow = is_narrow(width_in)
    figure = Figure(figsize=(width_in, 3.1 + 0.13 * text.count("\n") + 0.5 * narrow), layout="constrained")
    axes = figure.subplots()
    curves = list(found.groupby("block_size", sort=False))
    for number, (size, rows) in enumerate(curves):
        _draw_curve(axes, int(size), rows, LOOKS[number % len(LOOKS)], later=len(curves) - 1 - number)
    _draw_replayed(axes, found, replayed)
    _draw_axes(axes, int(found["block_size"].iloc[0]), narrow)
    figure.legend(loc="outside upper center", ncols=1 if narrow else 2)
    figure.supxlabel(text, fontsize=7.5)
    return figure


def note(found: pd.DataFrame, replayed: pd.DataFrame) -> str:
    """Whose hits these are, and how many blocks vLLM would hold twice."""
    first = found.iloc[0]
    whose = requests(replayed.iloc[0]) if len(replayed) else f"n = {first['requests']:,} requests"
    parts = [f"{whose}, one at a time; generated tokens take up room and are not found again."]
    twice = found.drop_duplicates("block_size").set_index("block_size")["repeated_blocks"]
    parts += [
        f"In blocks of {size:,}, {count:,} full ones are computed again, which vLLM would hold twice."
        for size, count in twice.items()
        if count > 0
    ]
    return " ".join(parts)


def _draw_curve(axes: Axes, size: int, rows: pd.DataFrame, look: tuple[str, str], later: int) -> None:
    """A line through the pools of a finite size, and a dashed one at the share of the infinite pool.

    The more curves come `later`, the larger the markers, so that equal curves are all visible.
    """
    colour, marker = look
    sized = rows.dropna(subset=["pool_tokens", "hit_share"])
    bounds = 100 * rows.loc[rows["pool_tokens"].isna(), "hit_share"].dropna()
    label = f"blocks of {size:,}" + "".join(f" (infinite pool: {bound:.1f}%)" for bound in bounds)
    style = {"color": colour, "marker": marker, "ms": 3.5 + 2 * later, "mec": "white", "mew": 0.4}
    axes.plot(sized["pool_tokens"].astype(float), 100 * sized["hit_share"], label=label, **style)
    for bound in bounds:
        axes.axhline(bound, color=colour, ls="--", lw=0.8)


def _draw_replayed(axes: Axes, found: pd.DataFrame, replayed: pd.DataFrame) -> None:
    own = replayed[replayed["prefix_hit_tokens"].notna()] if len(replayed) else replayed
    for row in own.to_dict("records"):
        share = 100 * row["prefix_hit_tokens"] / found["prompt_tokens"].iloc[0]
        label = f"replay, up to {row['max_running']:,} at once, blocks of {row['block_size']:,}"
        axes.plot([row["pool_slots"]], [share], label=label, **REPLAYED)


def _draw_axes(axes: Axes, size: int, narrow: bool) -> None:
    logarithmic(axes, narrow=narrow)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("Pool (tokens)")
    axes.set_ylabel("Prompt tokens found again (%)")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    above = axes.secondary_xaxis("top", functions=(lambda tokens: tokens / size, lambda blocks: blocks * size))
    above.xaxis.set_major_formatter(EngFormatter(sep=""))
    above.xaxis.set_minor_locator(NullLocator())
    above.set_xlabel(f"Pool (blocks of {size:,} tokens)")
