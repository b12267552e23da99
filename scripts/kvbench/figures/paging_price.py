"""What a block table costs: times of the attention kernel on pages over its time on contiguous K and V."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kvbench.figures.style import WIDTH_IN, is_narrow, name_rows, rows_figure, said, settle, styled, wrapped
from kvbench.figures.words import range_text
from kvbench.files import read_table
from kvbench.kernel.forms import CONTIGUOUS, PAGED, SHUFFLED

OPTIONS = {"width_in": WIDTH_IN}
CALL = ["phase", "context_tokens", "batch"]
MARKERS = "osD^v<>"


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    return draw(read_table(job.input.table), job.params.options)


@styled
def draw(table: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """A panel for each head layout, a row for each call (paging_price.csv): the ratio of each page size, shuffled."""
    width_in = settle(options, OPTIONS)["width_in"]
    measured = table[table["ratio"].notna()]
    if measured.empty:
        return said(f"No attention kernel was timed: {_reasons(table)}.", width_in)
    calls = list(dict.fromkeys(measured.sort_values(CALL)[CALL].itertuples(index=False, name=None)))
    layouts = list(measured["layout"].unique())
    figure, panels = rows_figure(len(calls), len(layouts), width_in=width_in, row_in=0.27, margin_in=1.3)
    sizes = sorted(measured.loc[measured["order"] == SHUFFLED, "page_tokens"].unique())
    for axes, layout in zip(panels, layouts, strict=True):
        _draw_panel(axes, measured[measured["layout"] == layout], calls, sizes)
    _settle(panels, measured, [_name(*call) for call in calls])
    figure.supxlabel(wrapped(_caption(measured), width_in), fontsize=7.5)
    figure.legend(handles=_handles(sizes), loc="outside upper center", ncols=2 if is_narrow(width_in) else 8)
    return figure


def _reasons(table: pd.DataFrame) -> str:
    return "; ".join(dict.fromkeys(table["reason"].dropna())).removeprefix("the kernel was not timed: ") or "no row"


def _name(phase: str, context: int, batch: int) -> str:
    return f"{phase}, {batch:.0f} × {context:,.0f}"


def _title(row: pd.Series) -> str:
    heads = f"{row['query_heads']:.0f} query, {row['kv_heads']:.0f} KV heads"
    return f"{row['layout']}: {heads},\n{row['value_dim']:.0f} wide"


def _draw_panel(axes: Axes, rows: pd.DataFrame, calls: Sequence[tuple], sizes: Sequence[int]) -> None:
    axes.set_title(_title(rows.iloc[0]), fontsize=7.5)
    for y, call in enumerate(calls):
        own = rows[(rows[CALL] == list(call)).all(axis=1)]
        if own.empty:
            continue
        base = own.loc[own["form"] == CONTIGUOUS, "seconds_median"].iloc[0]
        axes.annotate(f"{1e6 * base:,.0f} µs", (1, y), (-2, 0), **_AT_RIGHT)
        paged = own[own["form"] == PAGED]
        _draw_call(axes, y, paged[paged["order"] == SHUFFLED], sizes)
        alone = paged[~paged["page_tokens"].isin(sizes)]
        axes.plot(alone["ratio"], [y] * len(alone), "|", color="black", ms=9, mew=1.4)
    axes.axvline(1, color="black", lw=0.8)
    axes.set_xlabel("Time over contiguous K and V")
    axes.grid(axis="x")


_AT_RIGHT = {
    "xycoords": ("axes fraction", "data"),
    "textcoords": "offset points",
    "ha": "right",
    "va": "center",
    "fontsize": 6.5,
    "color": "0.35",
}


def _draw_call(axes: Axes, y: int, shuffled: pd.DataFrame, sizes: Sequence[int]) -> None:
    """The sizes of one call, a little apart, each with its 95% interval."""
    for _, row in shuffled.iterrows():
        number = sizes.index(row["page_tokens"])
        place = y + 0.5 * (number / max(1, len(sizes) - 1) - 0.5)
        if pd.notna(row["ratio_ci95_low"]):
            axes.hlines(place, row["ratio_ci95_low"], row["ratio_ci95_high"], color="0.5", lw=0.8)
        axes.plot(row["ratio"], place, **_look(number, len(sizes)))


def _look(number: int, count: int) -> dict[str, Any]:
    """From dark (small pages) to light, each with its own marker."""
    colour = mpl.colormaps["viridis"](0.05 + 0.85 * number / max(1, count - 1))
    return {"color": colour, "marker": MARKERS[number % len(MARKERS)], "ls": "", "ms": 4, "mec": "black", "mew": 0.3}


def _settle(panels: Sequence[Axes], measured: pd.DataFrame, labels: Sequence[str]) -> None:
    """The same scale in all panels, with room for the times at the right."""
    bounds = measured[["ratio", "ratio_ci95_low", "ratio_ci95_high"]]
    low, high = min(1, bounds.min().min()), max(1, bounds.max().max())
    span = max(high - low, 0.02)
    for axes in panels:
        axes.set_xlim(low - 0.05 * span, high + 0.42 * span)
        name_rows(axes, labels)


def _handles(sizes: Sequence[int]) -> list[Line2D]:
    pages = [Line2D([], [], label=f"{size:.0f}", **_look(number, len(sizes))) for number, size in enumerate(sizes)]
    alone = Line2D([], [], color="black", marker="|", ls="", ms=9, mew=1.4, label="all of a sequence")
    return [Line2D([], [], ls="", label="Tokens a page:"), *pages, alone]


def _caption(measured: pd.DataFrame) -> str:
    first = measured.iloc[0]
    kernels = ", ".join(dict.fromkeys(measured["kernel"]))
    return (
        f"{kernels}, {first['dtype']}, {first['gpu']}; row: sequences × tokens of the longest, with the time on "
        "contiguous K and V; pages in random places of the pool; "
        f"median of n = {range_text(measured['n_rounds'])} rounds, line: 95% bootstrap interval"
    )
