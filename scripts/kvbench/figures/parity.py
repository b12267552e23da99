"""Parity: the share of each engine's outputs that equal the reference's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kvbench.engines.names import REFERENCE
from kvbench.figures.data.rows import rows_of
from kvbench.figures.style import (
    WIDTH_IN,
    is_narrow,
    look,
    name_rows,
    rows_figure,
    settle,
    small_row_names,
    styled,
    wrapped,
)
from kvbench.figures.words import UNKNOWN, value_text

OPTIONS = {"width_in": WIDTH_IN}


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    return draw(rows_of(job.input.table, job.wildcards.model, job.wildcards.workload), job.params.options)


@styled
def draw(table: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """Left, the share of equal outputs; right, the median common prefix, if any run is comparable (parity.csv)."""
    rows = table.to_dict("records")
    outputs = [row["median_output_tokens"] for row in rows if _compared(row)]
    width_in = settle(options, OPTIONS)["width_in"]
    narrow = is_narrow(width_in)
    figure, panels = rows_figure(len(rows), 2 if outputs else 1, width_in=width_in, row_in=0.45 if narrow else 0.3)
    left, right, longest = panels[0], panels[-1], max(outputs, default=1)
    if not rows:
        left.text(2, 0, "no engine was compared with the reference", va="center", color="0.35")
    for y, row in enumerate(rows):
        style = look(row["engine"])
        given = {"height": 0.6, "color": style.colour, "hatch": style.hatch, "edgecolor": "white", "linewidth": 0}
        if not _compared(row):
            reason = f"not comparable ({_reason(row)})"
            left.text(2, y, wrapped(reason, width_in / (2 if narrow else 3)), va="center", color="0.35", fontsize=7.5)
            continue
        share, prefix, n = row["share_equal"] * 100, row["median_common_prefix_tokens"], row["requests_compared"]
        left.barh(y, share, **given)
        left.text(share + 2, y, _counted(row["share_equal"], n, row["near_ties_passed"]), va="center", fontsize=7.5)
        right.barh(y, prefix, **given)
        whole = row["median_output_tokens"]
        right.vlines(whole, y - 0.42, y + 0.42, color="black", lw=1.2)
        right.text(whole + 0.02 * longest, y, value_text(prefix), va="center", fontsize=7.5)
    left.set_xlim(0, 150)
    left.set_xticks([0, 25, 50, 75, 100])
    left.set_xlabel("Requests with equal output (%)")
    if outputs:
        right.set_xlim(0, longest * 1.25)
        right.set_xlabel("Median common prefix (tokens);\nline: median output length")
    name_rows(left, [_name(row, narrow) for row in rows] or [""])
    if narrow:
        small_row_names(panels)
    left.set_title(f"compared with {REFERENCE}", loc="left")
    return figure


def _name(row: Mapping[str, Any], narrow: bool) -> str:
    name = f"{row['label']} ({row['dtype']})"
    return name.replace(" (", "\n(") if narrow else name


def _compared(row: Mapping[str, Any]) -> bool:
    return row["comparable"] == "yes" and pd.notna(row["requests_compared"])


def _reason(row: Mapping[str, Any]) -> str:
    told = pd.notna(row["comparable"]) and row["comparable"] != "yes"
    return row["comparable"].removeprefix("no: ") if told else UNKNOWN


def _counted(share: float, requests: float, ties: float) -> str:
    text = f"{round(share * requests)}/{int(requests)}"
    return text if np.isnan(ties) or not ties else f"{text}, {int(ties)} near tie{'s' if ties > 1 else ''}"
