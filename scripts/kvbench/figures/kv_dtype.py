"""Number types of the KV cache: tokens that the pool holds, speed, and tokens equal to those with auto."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kvbench.figures.data.rows import ends, rows_of
from kvbench.figures.style import WIDTH_IN, is_narrow, look, name_rows, rows_figure, said, settle, styled, wrapped
from kvbench.figures.words import range_text, value_text

OPTIONS = {"width_in": WIDTH_IN}
SPEED = "output_tokens_per_s"


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    return draw(rows_of(job.input.table, job.wildcards.model, job.wildcards.workload), job.params.options)


@styled
def draw(table: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """Three panels with a row per engine and number type; `table` has rows of kv_dtypes.csv with `label`."""
    width_in = settle(options, OPTIONS)["width_in"]
    if table.empty:
        return said("No engine has points of a sweep of kv_dtype.", width_in)
    narrow = is_narrow(width_in)
    figure, panels = rows_figure(len(table), 3, width_in=width_in, margin_in=1.2, ratios=[1, 1.4, 1])
    tokens, speed, equal = panels
    rows = table.to_dict("records")
    _capacity(tokens, rows)
    _speed(speed, table, with_interval=not narrow)
    _equal(equal, rows)
    for axes in panels:
        axes.grid(axis="x")
    several = len(set(table["engine"])) > 1
    name_rows(tokens, [f"{row['engine']}, {row['kv_dtype']}" if several else str(row["kv_dtype"]) for row in rows])
    figure.legend(handles=_handles(), loc="outside upper right", ncols=1 if narrow else 2)
    figure.supxlabel(wrapped(_caption(table), width_in), fontsize=7.5)
    return figure


def _capacity(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    for y, row in enumerate(rows):
        _bar(axes, y, row, row["pool_tokens"])
        over = row["pool_tokens_over_auto"]
        _note(axes, row["pool_tokens"], y, value_text(row["pool_tokens"]) + _times(over))
    _room(axes, [row["pool_tokens"] for row in rows], 1.7)
    axes.set_xlabel("KV pool (tokens)")


def _speed(axes: Axes, table: pd.DataFrame, with_interval: bool) -> None:
    low, high = ends(table, SPEED)
    for y, (row, least, most) in enumerate(zip(table.to_dict("records"), low, high, strict=True)):
        middle = row[f"{SPEED}_median"]
        _bar(axes, y, row, middle)
        if most > least:
            errors = [[middle - least], [most - middle]]
            axes.errorbar(middle, y, xerr=errors, fmt="none", ecolor="black", elinewidth=0.9, capsize=2.5)
        span = ""
        if with_interval and pd.notna(row["ratio_ci95_low"]):
            span = f" [{value_text(row['ratio_ci95_low'])}, {value_text(row['ratio_ci95_high'])}]"
        _note(axes, most, y, value_text(middle) + _times(row["ratio"], span))
    _room(axes, high, 2.2 if with_interval else 1.9)
    axes.set_xlabel("Output tokens per second;\n×: over auto")


def _equal(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    for y, row in enumerate(rows):
        share, whole = 100 * row["equal_tokens_share"], 100 * row["equal_outputs_share"]
        if pd.notna(share):
            _bar(axes, y, row, share)
            axes.plot(whole, y, "|", color="black", ms=9, mew=1.4)
            _note(axes, max(share, whole), y, f"{share:.0f}")
        else:
            _note(axes, 0, y, "compared with" if row["kv_dtype"] == "auto" else "not compared")
    axes.set_xlim(0, 130)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel("Equal to auto's (%)")


def _bar(axes: Axes, y: int, row: Mapping[str, Any], width: float) -> None:
    own = look(row["engine"])
    axes.barh(y, width, height=0.6, color=own.colour, hatch=own.hatch, edgecolor="white", linewidth=0)


def _note(axes: Axes, x: float, y: int, text: str) -> None:
    place = (0 if pd.isna(x) else x, y)
    axes.annotate(text, place, (5, 0), textcoords="offset points", va="center", fontsize=7)


def _times(ratio: float, span: str = "") -> str:
    return "" if pd.isna(ratio) else f"  ×{value_text(ratio)}{span}"


def _room(axes: Axes, widths: Sequence[float], factor: float) -> None:
    """Leave room for the numbers to the right of the bars."""
    axes.set_xlim(0, factor * float(np.nanmax([1e-9, *map(float, widths)])))


def _handles() -> list[Line2D]:
    mark = {"ls": "", "marker": "|", "color": "black", "ms": 9, "mew": 1.4}
    bar = Line2D([], [], color="0.45", lw=6, label="right: tokens at the same place")
    return [bar, Line2D([], [], label="outputs equal as a whole", **mark)]


def _caption(table: pd.DataFrame) -> str:
    known = table[f"{SPEED}_ci95_low"].notna()
    whisker = "95% bootstrap interval" if known.all() else "95% bootstrap interval, or range below 6 repeats"
    lost = table["disturbed_repeats"].sum()
    other = f"; other load disturbed {lost:.0f} repeats" if lost else ""
    speed = f"speed: median of n = {range_text(table['n_repeats'])} repeats, whisker: "
    lines = [f"{speed}{whisker if known.any() else 'range'}{other}"]
    told = table[table["larger_pool"].notna()]
    lines += [f"{row['engine']}, {row['kv_dtype']}: {row['larger_pool']}" for row in told.to_dict("records")]
    return "\n".join(lines)
