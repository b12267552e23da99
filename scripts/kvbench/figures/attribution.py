"""Attribution: the chain from one request at a time to paging as a waterfall, side ratios, where requests waited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kvbench.analysis.results import engine_key
from kvbench.analysis.tables.attribution import ARMS, BINDING_SHARE, METRIC, NOT_RUN, YES
from kvbench.analysis.tables.hosts import SAME
from kvbench.figures.data.rows import rows_of
from kvbench.figures.not_drawn import NOTHING
from kvbench.figures.style import (
    WIDTH_IN,
    is_narrow,
    logarithmic,
    look,
    name_rows,
    rows_figure,
    said,
    settle,
    small_row_names,
    styled,
    wrapped,
)
from kvbench.figures.words import range_text, value_text

OPTIONS = {"width_in": WIDTH_IN}
GREY = "0.4"


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    return draw(rows_of(job.input.table, job.wildcards.model, job.wildcards.workload), job.params.options)


@styled
def draw(table: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """A row per factor (attribution.csv): ratio, both absolute values, share of steps in which requests waited."""
    width_in = settle(options, OPTIONS)["width_in"]
    narrow, rows = is_narrow(width_in), ordered(table)
    if not rows:
        return said("No factor of the speed: no two engines of one have a run at point base.", width_in)
    figure, panels = rows_figure(len(rows), 3, width_in=width_in, row_in=0.4, margin_in=1.2, ratios=[2.2, 1.1, 0.9])
    ratios, speeds, waits = panels
    _draw_ratios(ratios, rows, width_in, with_interval=not narrow)
    for y, row in enumerate(rows):
        _draw_pair(speeds, y, row, [row[f"{name}_{METRIC}_median"] for name in ARMS])
        _draw_pair(waits, y, row, [row[f"{name}_steps_waiting_share"] * 100 for name in ARMS])
        for_blocks = row["numerator_steps_waiting_for_blocks_share"]
        waits.plot(for_blocks * 100, y, "|", color="black", ms=9, mew=1.4, clip_on=False)
    ratios.set_xlabel("Ratio of output tokens per second")
    speeds.set_xlabel("Output tokens\nper second")
    waits.set_xlabel("Steps in which\nrequests waited (%)")
    _finish(speeds, waits, rows)
    name_rows(ratios, [_name(row, narrow) for row in rows])
    if narrow:
        small_row_names(panels)
    engines = {row[name] for row in rows for name in ARMS if row["measurable"] != NOT_RUN}
    figure.set_label("" if engines else NOTHING)
    handles = _handles(sorted(engines, key=engine_key))
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if narrow else 5)
    figure.supxlabel(wrapped(_caption(table), width_in), fontsize=7.5)
    return figure


def ordered(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The chain, then the total, then the side ratios whose engines were run."""
    rows = table.to_dict("records")
    sides = [row for row in rows if row["part"] == "side" and row["measurable"] != NOT_RUN]
    return [*(row for row in rows if row["part"] == "chain"), *(row for row in rows if row["part"] == "total"), *sides]


def _name(row: Mapping[str, Any], narrow: bool) -> str:
    factor = "all factors" if row["part"] == "total" else row["factor"]
    served = "" if pd.isna(row["requests"]) else f" ({row['requests']:.0f} requests)"
    if narrow:
        return f"{factor}\n{row['numerator']} /\n{row['denominator']}{served.replace(' requests', '')}"
    return f"{factor}{served}\n{row['numerator']} / {row['denominator']}"


def _draw_ratios(axes: Axes, rows: Sequence[Mapping[str, Any]], width_in: float, *, with_interval: bool) -> None:
    """Bars that begin at 1; each bar of the chain begins at the end of the previous one."""
    reached, ends, text_room = 1.0, [1.0], 0.75 if with_interval else 0.7
    for y, row in enumerate(rows):
        start = reached if row["part"] == "chain" else 1.0
        if pd.isna(row["ratio"]):
            text = row["reason"] if row["measurable"] == NOT_RUN else row["measurable"]
            _note(axes, start * 1.06, y, wrapped(text, width_in / 3))
            continue
        end = start * row["ratio"]
        _draw_bar(axes, y, row, start, end, with_interval)
        ends += [end, start * row["ratio_ci95_high"] if pd.notna(row["ratio_ci95_high"]) else end]
        if row["part"] == "chain":
            axes.vlines(end, y, y + 1, color=GREY, lw=0.6, linestyles=":")
            reached = end
    axes.axvline(1, color="black", lw=0.8)
    chain = sum(row["part"] in ("chain", "total") for row in rows)
    axes.axhline(chain - 0.5, color="0.6", lw=0.6)
    if len(ends) == 1:
        axes.set_xlim(0.95, 3)
        axes.set_xticks([1])
        return
    # Room for the numbers at the right end.
    span = max(ends) / min(ends)
    axes.set_xlim(min(ends) / span**0.08 / 1.05, max(ends) * max(span, 2) ** text_room)
    logarithmic(axes)


def _draw_bar(axes: Axes, y: int, row: Mapping[str, Any], start: float, end: float, with_interval: bool) -> None:
    style = look(row["numerator"])
    axes.barh(
        y, end - start, left=start, height=0.5, color=style.colour, hatch=style.hatch, edgecolor="white", linewidth=0
    )
    text, right = f"{value_text(row['ratio'])}", max(start, end)
    if pd.notna(row["ratio_ci95_low"]):
        low, high = row["ratio_ci95_low"], row["ratio_ci95_high"]
        errors = [[end - start * low], [start * high - end]]
        axes.errorbar(end, y, xerr=errors, fmt="none", ecolor="black", elinewidth=0.9, capsize=2.5)
        text += "" if not with_interval else f" [{value_text(low)}, {value_text(high)}]"
        right = max(right, start * high)
    _note(axes, right, y, text, "black")


def _note(axes: Axes, x: float, y: int, text: str, colour: str = GREY) -> None:
    axes.annotate(text, (x, y), (5, 0), textcoords="offset points", va="center", fontsize=7, color=colour)


def _draw_pair(axes: Axes, y: int, row: Mapping[str, Any], values: Sequence[float]) -> None:
    if row["measurable"] == NOT_RUN:
        return
    axes.plot(values, [y, y], color="0.7", lw=1)
    # The denominator is drawn first and larger, so that both markers are visible for equal values.
    for name, value, size in (("denominator", values[1], 6.5), ("numerator", values[0], 4.5)):
        style = look(row[name])
        axes.plot(value, y, style.marker, color=style.colour, ms=size, mec="black", mew=0.4, clip_on=False)


def _finish(speeds: Axes, waits: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    known = [row[f"{name}_{METRIC}_median"] for row in rows for name in ARMS]
    if known := [value for value in known if pd.notna(value)]:
        speeds.set_xlim(min(known) / 1.3, max(known) * 1.3)
        logarithmic(speeds, narrow=True)
    else:
        speeds.set_xticks([])
    waits.set_xlim(-6, 106)
    waits.set_xticks([0, 50, 100])
    waits.axvline(BINDING_SHARE * 100, color="black", lw=0.6, dashes=(3, 2))
    waits.grid(axis="x")


def _handles(engines: Sequence[str]) -> list[Line2D]:
    given = {"ls": "", "mec": "black", "mew": 0.4, "ms": 5}
    handles = [
        Line2D([], [], color=look(name).colour, marker=look(name).marker, label=name, **given) for name in engines
    ]
    return [*handles, Line2D([], [], color="black", marker="|", ls="", ms=8, mew=1.4, label="vllm waited for blocks")]


def _caption(table: pd.DataFrame) -> str:
    measured = table.loc[table["measurable"] == YES, [f"{name}_n_repeats" for name in ARMS]]
    if measured.empty:
        return "of no pair were both engines run"
    repeats = f"n = {range_text(measured.to_numpy().ravel())}"
    interval = ", whisker and brackets: 95% bootstrap interval" if table["ratio_ci95_low"].notna().any() else ""
    products = table.loc[table["part"] == "total", "product_is"].dropna()
    product = f"its product is {products.iloc[0]}" if len(products) else "without a product"
    marks = f"small mark: numerator, large: denominator, dashed: {BINDING_SHARE:.0%}"
    bars = f"bar: ratio of the medians of {repeats} repeats{interval}{_apart(table)}"
    return f"{bars}; above the line: the chain, {product}; {marks}"


def _apart(table: pd.DataFrame) -> str:
    """Whether the engines of a pair were measured in different places; older tables do not say it."""
    for name, places in zip(SAME, ("hosts", "GPUs of one host"), strict=True):
        if name in table and table[name].eq(False).any():
            return f"; some of engines on different {places}"
    return ""
