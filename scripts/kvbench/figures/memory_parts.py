"""Memory by part: what the process holds, compared with the total from NVML or the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from kvbench.analysis.tables.memory import PARTS, UNATTRIBUTED, part_key, part_name
from kvbench.figures.data.rates import without_lower_rates
from kvbench.figures.data.rows import rows_of
from kvbench.figures.style import WIDTH_IN, is_narrow, name_rows, rows_figure, said, settle, styled, wrapped
from kvbench.figures.words import UNKNOWN

OPTIONS = {"width_in": WIDTH_IN}
GIB = 2**30
COLOURS = dict(zip(PARTS, ("#999999", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442"), strict=True))
HATCHES = dict(zip(PARTS, ("", "", "///", "...", "\\\\\\", "--", "xx"), strict=True))


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    rows = rows_of(job.input.table, job.wildcards.model, job.wildcards.workload)
    return draw(without_lower_rates(rows), job.params.options)


@styled
def draw(table: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """Stacked parts per run (memory.csv), the unattributed rest hatched on white, and a line at the process's total."""
    width_in = settle(options, OPTIONS)["width_in"]
    if table.empty:
        return said("No run whose memory was read.", width_in)
    labels = list(dict.fromkeys(table["label"]))
    parts = [*sorted(set(table["part"]) - {UNATTRIBUTED}, key=part_key), UNATTRIBUTED]
    known = [part for part in parts if table.loc[table["part"] == part, "bytes"].fillna(0).ne(0).any()]
    figure, (axes,) = rows_figure(len(labels), 1, width_in=width_in, margin_in=1.25)
    for y, name in enumerate(labels):
        _draw_run(axes, y, table[table["label"] == name], known)
    text = f"Memory of the process at its peak while serving (GiB)\n{_unknown(parts, known)}"
    axes.set_xlabel(wrapped(text, width_in - 1))
    axes.set_xlim(0, 1.22 * table["process_bytes"].max() / GIB if table["process_bytes"].notna().any() else None)
    axes.grid(axis="x")
    name_rows(axes, labels)
    source = "/".join(sorted(set(table["process_bytes_from"].dropna()))) or "not known"
    total = Line2D([], [], color="black", lw=2, label=f"process total ({source})")
    handles = [Patch(**_look(part), lw=0.6, label=part_name(part)) for part in known]
    figure.legend(handles=[*handles, total], loc="outside upper center", ncols=2 if is_narrow(width_in) else 4)
    return figure


def _draw_run(axes: Axes, y: int, rows: pd.DataFrame, parts: list[str]) -> None:
    sizes = dict(zip(rows["part"], rows["bytes"], strict=True))
    start = 0.0
    for part in parts:
        size = sizes.get(part, np.nan)
        if pd.notna(size) and size > 0:
            axes.barh(y, size / GIB, left=start, height=0.6, lw=0.6, label=part, **_look(part))
            start += size / GIB
    total = rows["process_bytes"].iloc[0]
    if pd.notna(total):
        axes.vlines(total / GIB, y - 0.42, y + 0.42, color="black", lw=2)
        rest = sizes.get(UNATTRIBUTED, np.nan) / total
        text = f"{total / GIB:.2f} GiB\nrest {UNKNOWN if np.isnan(rest) else f'{rest:.1%}'}"
        axes.annotate(text, (max(start, total / GIB), y), (5, 0), textcoords="offset points", va="center", fontsize=7)


def _look(part: str) -> dict[str, Any]:
    if part == UNATTRIBUTED:
        return {"facecolor": "white", "hatch": "////", "edgecolor": "0.4"}
    return {"facecolor": COLOURS.get(part, "#666666"), "hatch": HATCHES.get(part, "oo"), "edgecolor": "white"}


def _unknown(parts: list[str], known: list[str]) -> str:
    missing = [part_name(part) for part in parts if part not in known and part != UNATTRIBUTED]
    return f"none, or not known here: {', '.join(missing)}" if missing else ""
