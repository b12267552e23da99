"""Latencies, attainment of the SLO and completed requests of each engine against the rate of arrival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kvbench.analysis.results import rows_of_pair
from kvbench.figures.data.rates import at_rates, dodged, is_true, too_short
from kvbench.figures.data.rows import by_engine, ends, rows_of
from kvbench.figures.points import with_sizes
from kvbench.figures.rates import (
    DASHED,
    NO_ARRIVALS,
    OUTLINE,
    SIZES,
    curve,
    prediction,
    rate_axis,
    saturated_strip,
    scaled,
    tails,
)
from kvbench.figures.style import WIDTH_IN, is_narrow, look, said, settle, styled, wrapped
from kvbench.figures.words import range_text
from kvbench.files import read_table

OPTIONS = {"width_in": WIDTH_IN}
LIMIT = {"color": "0.15", "lw": 1.1, "ls": (0, (1, 1.8)), "zorder": 1.2}
# No engine has a star, and an open marker of an engine is a saturated point.
STAR = {"marker": "*", "ms": 9, "mfc": "white", "mew": 1.2, "ls": "", "zorder": 8}
SUSTAINED = "patterns_per_s_median"
# Columns of predicted.csv beside those of serving.csv.
PREDICTED = {
    "normalized_s_per_token": "normalized_latency_mean_s_predicted",
    "ttft_s": "ttft_median_s_predicted",
    "tpot_s": "tpot_median_s_predicted",
    "attainment_share": "within_slo_share_predicted",
    "completed_per_s": "completed_per_s_predicted",
}


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs; the prediction and the capacities are there where they were made."""
    names = (job.wildcards.model, job.wildcards.workload)
    files = (getattr(job.input, name, None) for name in ("predicted", "slo_capacity", "sustained"))
    beside = (rows_of_pair(read_table(file), *names) if file else None for file in files)
    return draw(rows_of(job.input.table, *names), *beside, job.params.options)


@styled
def draw(
    table: pd.DataFrame,
    predicted: pd.DataFrame | None = None,
    capacity: pd.DataFrame | None = None,
    sustained: pd.DataFrame | None = None,
    options: Mapping[str, Any] | None = None,
) -> Figure:
    """A panel per quantity of serving.csv over the rate, a curve per engine.

    `predicted` has rows of predicted.csv, `capacity` those of slo_capacity.csv, `sustained` those of
    predicted_capacity.csv; None where there are none.
    """
    width_in, table = settle(options, OPTIONS)["width_in"], at_rates(table)
    if table.empty:
        return said(NO_ARRIVALS, width_in)
    table = table.assign(beside=dodged(table))
    replayed = _curves_of(predicted, table)
    sustained = _drawn(sustained, table)
    below = wrapped(_caption(table, predicted if replayed else None, capacity, sustained), width_in)
    figure, panels = _panels(width_in, below.count("\n"))
    _draw_panels(panels, table, replayed, capacity)
    _sustained(panels[3], sustained, 100 * table["slo_share"].iloc[0])
    for axes in panels[:5]:
        rate_axis(axes, table, sustained.get(SUSTAINED, ()))
        axes.set_xlabel("Requests per second that arrive" if is_narrow(width_in) else "Requests/s that arrive")
    _legend(figure, panels, table, replayed, sustained)
    figure.supxlabel(below, fontsize=7.5)
    return figure


def _curves_of(predicted: pd.DataFrame | None, table: pd.DataFrame) -> list[pd.DataFrame]:
    """The predicted rows of each engine of the table: at rates that no run had its step time from, if there are any."""
    if predicted is None:
        return []
    found = [rows for rows in by_engine(predicted) if rows["engine"].iloc[0] in set(table["engine"])]
    grids = [rows[~is_true(rows["is_point"])] for rows in found]
    return [grid if len(grid) else rows for grid, rows in zip(grids, found, strict=True)]


def _panels(width_in: float, lines: int) -> tuple[Figure, Sequence[Axes]]:
    """Six panels in two rows or (narrow) one column; the last is for the legend."""
    narrow = is_narrow(width_in)
    rows, columns = (6, 1) if narrow else (2, 3)
    figure = Figure(figsize=(width_in, rows * (2.1 if narrow else 2.5) + 0.13 * lines), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.05, h_pad=0.06, wspace=0.03)
    ratios = [1, 1, 1, 1, 1, 0.55] if narrow else [1, 1]
    panels = list(figure.subplots(rows, columns, squeeze=False, height_ratios=ratios).flat)
    panels[5].set_axis_off()
    return figure, panels


def _draw_panels(
    panels: Sequence[Axes], table: pd.DataFrame, replayed: Sequence[pd.DataFrame], capacity: pd.DataFrame | None
) -> None:
    normalized, ttft, tpot, attainment, completed = panels[:5]
    slo = table.iloc[0]
    _latency(normalized, table, replayed, "normalized_s_per_token")
    _latency(ttft, table, replayed, "ttft_s", limit=slo["slo_ttft_s"])
    _latency(tpot, table, replayed, "tpot_s", 1e3, limit=1e3 * slo["slo_tpot_s"])
    _attainment(attainment, table, replayed, capacity)
    _completed(completed, table, replayed)
    titles = (
        "Mean normalized latency (s/token)",
        "Time to first token (s)",
        "Time per output token (ms)",
        "Requests within the SLO (%)",
        "Completed requests/s",
    )
    for axes, title in zip(panels, titles, strict=False):
        axes.set_title(title, loc="left")


def _latency(
    axes: Axes,
    table: pd.DataFrame,
    replayed: Sequence[pd.DataFrame],
    name: str,
    factor: float = 1,
    limit: float | None = None,
) -> None:
    """A latency of the points that are not saturated, those at one rate side by side; with a limit also its tails."""
    known = table[~is_true(table["saturated"])]
    for rows in by_engine(known):
        curve(axes, rows, name, factor, "beside")
        if limit is not None:
            tails(axes, rows, name, factor, "beside")
    for rows in replayed:
        prediction(axes, rows, PREDICTED[name], factor)
    parts = ("median",) if limit is None else ("median", "p90", "p99")
    shown = pd.concat([*(known[f"{name}_{part}"].astype(float) for part in parts), *ends(known, name)])
    shown = pd.concat([shown, *(_lower(rows, known, PREDICTED[name], shown.max()) for rows in replayed)])
    scaled(axes, factor * shown, [] if limit is None else [limit])
    if limit is not None:
        axes.axhline(limit, **LIMIT)
    saturated_strip(axes, table)


def _lower(replayed: pd.DataFrame, known: pd.DataFrame, name: str, highest: float) -> pd.Series:
    """What a replay predicts between the rates of its engine's points, where it is not above all points."""
    rates = known["rate"][known["engine"] == replayed["engine"].iloc[0]]
    inside = replayed["requests_per_s"].between(rates.min(), rates.max()) & (replayed[name] <= highest)
    return replayed[name][inside].astype(float)


def _attainment(
    axes: Axes, table: pd.DataFrame, replayed: Sequence[pd.DataFrame], capacity: pd.DataFrame | None
) -> None:
    """Share of requests within both limits, the share that is asked for, and each engine's capacity at it."""
    for rows in replayed:
        prediction(axes, rows, PREDICTED["attainment_share"], 100)
    for rows, size in with_sizes(table, *SIZES):
        curve(axes, rows, "attainment_share", 100, size=size)
    share = 100 * table["slo_share"].iloc[0]
    axes.axhline(share, **LIMIT)
    axes.set_ylim(-3, 106)
    axes.grid(axis="y")
    for row in _bracketed(capacity).to_dict("records"):
        low, high = row["repeats_per_s_ci95_low"], row["repeats_per_s_ci95_high"]
        axes.plot([low, high], [share, share], color=look(row["engine"]).colour, lw=2.2, zorder=6)
        axes.plot(row["capacity_per_s"], share, "|", ms=11, color="black", mew=2.6, zorder=6)
        axes.plot(row["capacity_per_s"], share, "|", ms=10, color=look(row["engine"]).colour, mew=1.4, zorder=7)


def _bracketed(capacity: pd.DataFrame | None) -> pd.DataFrame:
    """The rows whose capacity lies between two rates."""
    return pd.DataFrame() if capacity is None else capacity.dropna(subset=["capacity_per_s"])


def _drawn(sustained: pd.DataFrame | None, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of engines of the table that have a predicted capacity."""
    if sustained is None:
        return pd.DataFrame()
    return sustained[sustained["engine"].isin(table["engine"])].dropna(subset=[SUSTAINED])


def _sustained(axes: Axes, rows: pd.DataFrame, share: float) -> None:
    for row in rows.to_dict("records"):
        axes.plot(row[SUSTAINED], share, **STAR, mec=look(row["engine"]).colour)


def _completed(axes: Axes, table: pd.DataFrame, replayed: Sequence[pd.DataFrame]) -> None:
    """Completed over offered requests; the grey line has both equal."""
    equal = np.geomspace(table["rate"].min() / 4, table["rate"].max() * 4, 50)  # no straight line where y is linear
    axes.plot(equal, equal, color="0.7", lw=0.8, zorder=1)
    for rows in replayed:
        prediction(axes, rows, PREDICTED["completed_per_s"])
    for rows, size in with_sizes(table, *SIZES):
        curve(axes, rows, "completed_per_s", size=size)
    scaled(axes, table["completed_per_s_median"].astype(float).tolist(), [table["rate"].max()])


def _legend(
    figure: Figure,
    panels: Sequence[Axes],
    table: pd.DataFrame,
    replayed: Sequence[pd.DataFrame],
    sustained: pd.DataFrame,
) -> None:
    """Engines and, once each, what else is drawn, in the place of the last panel."""
    handles = [_engine(name) for name in dict.fromkeys(table["engine"])]
    grey = {"color": OUTLINE, "ls": ""}
    if is_true(table["saturated"]).any():
        handles.append(Line2D([], [], marker="o", mfc="white", mec=OUTLINE, ls="", ms=4.6, label="saturated"))
    if is_true(table["late"]).any():
        handles.append(Line2D([], [], marker="x", ms=5, label="submitted late", **grey))
    if replayed:
        handles.append(Line2D([], [], color=OUTLINE, lw=1, ls=DASHED, label="predicted by replay"))
    if len(sustained):
        handles.append(Line2D([], [], **STAR, mec=OUTLINE, label="capacity, by replay"))
    handles.append(Line2D([], [], **LIMIT, label="limit of the SLO"))
    panels[5].legend(handles=handles, loc="center", ncols=2 if is_narrow(figure.get_figwidth()) else 1)


def _engine(name: str) -> Line2D:
    own = look(name)
    return Line2D([], [], color=own.colour, marker=own.marker, ms=4.6, mec=OUTLINE, mew=0.4, label=name)


def _caption(
    table: pd.DataFrame, predicted: pd.DataFrame | None, capacity: pd.DataFrame | None, sustained: pd.DataFrame
) -> str:
    """What a point, a whisker and each mark is."""
    known = table["completed_per_s_ci95_low"].notna()
    whisker = "95% bootstrap interval" if known.all() else "95% interval, or range below 6 repeats"
    n = f"n = {range_text(table['n_repeats'])} repeats"
    parts = [
        f"point: median of {n}, whisker: {whisker if known.any() else 'range'}",
        "latencies at one rate stand side by side; thick line: to p90, thin line: to p99 of all requests",
    ]
    if is_true(table["saturated"]).any():
        parts.append("open: saturated, more arrives than is served, and no latency is averaged")
    if unknown := _unknown(table):
        parts.append(f"too short to tell whether saturated: {unknown}")
    if is_true(table["late"]).any():
        parts.append("cross: submitted more than 5 ms late at p99")
    if predicted is not None:
        parts.append("dashed: replay with step times fitted to the live runs, up to where it is saturated")
        parts += _misses(predicted)
    if len(_bracketed(capacity)):
        parts.append("bar across the limit: capacity at the SLO, with its interval")
    if len(sustained):
        arriving = range_text(sustained["requests"])
        parts.append(f"star on the limit: capacity that replays predict where {arriving} requests arrive")
    return "; ".join(parts)


def _misses(predicted: pd.DataFrame) -> list[str]:
    """By how much the replay misses what a median request waits for its first token, where both are known."""
    found = 100 * predicted["ttft_median_s_relative_error"].astype(float).dropna()
    if found.empty:
        return []
    ends = dict.fromkeys(f"{end:+.0f}".replace("-", "−") for end in (found.min(), found.max()))
    return [f"its median time to first token differs from the live one by {' to '.join(ends)}%"]


def _unknown(table: pd.DataFrame) -> str:
    """The engines and rates that are too short to tell."""
    rows = table[too_short(table)]
    return ", ".join(
        f"{engine} at {' and '.join(f'{rate:g}' for rate in own['rate'])} requests/s"
        for engine, own in rows.groupby("engine", sort=False)
    )
