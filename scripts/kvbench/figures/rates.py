"""Common parts of figures over rates of arrival: curves, tails, saturated points, and what a replay predicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from kvbench.figures.data.rates import common_rates, is_true
from kvbench.figures.data.rows import by_engine, ends
from kvbench.figures.style import logarithmic, look

NO_ARRIVALS = "No run of this workload has requests that arrive over time and a timed repeat."
DECADE = 10.0  # an axis whose values span more is logarithmic
NEAREST = 0.13  # of an axis' length, between two of its numbers
STRIP_ROW, STRIP_MOST, STRIP_MARGIN = 0.055, 0.3, 0.035  # heights in the strip of saturated points, of the panel's
OUTLINE = "0.25"
SIZES = (4.6, 0.5)  # of markers (`points.with_sizes`)
DASHED = (0, (3, 2))


def curve(axes: Axes, rows: pd.DataFrame, name: str, factor: float = 1, x: str = "rate", size: float = 4.6) -> None:
    """Medians of column `name` times `factor` of one engine, with intervals or, without these, ranges.

    A line joins the rates that were asked for. A saturated point, if it has a value, is open.
    """
    own, rows = look(rows["engine"].iloc[0]), rows.dropna(subset=[f"{name}_median"])
    asked = rows.dropna(subset=["requests_per_s"])
    outline(axes, asked[x], factor * asked[f"{name}_median"], own.colour)
    middle = factor * rows[f"{name}_median"]
    low, high = (factor * end for end in ends(rows, name))
    errors = np.maximum([middle - low, high - middle], 0.0)
    axes.errorbar(rows[x], middle, yerr=errors, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.8, zorder=4)
    is_open = is_true(rows["saturated"])
    for chosen, face in ((~is_open, own.colour), (is_open, "white")):
        edge = {"mec": own.colour, "mew": 1.0} if face == "white" else {"mec": OUTLINE, "mew": 0.4}
        axes.plot(rows[x][chosen], middle[chosen], own.marker, ms=size, mfc=face, ls="", zorder=5, **edge)
    late = is_true(rows["late"])
    axes.plot(rows[x][late], middle[late], "x", ms=6, mec="black", mew=0.9, ls="", zorder=6)


def outline(axes: Axes, x: Sequence[float], y: Sequence[float], colour: str) -> None:
    """A line in an engine's colour over a wider dark one, so that pale colours are seen on white."""
    axes.plot(x, y, color=OUTLINE, lw=1.7, alpha=0.6, zorder=2, solid_capstyle="round")
    axes.plot(x, y, color=colour, lw=1.2, zorder=3, solid_capstyle="round")


def tails(axes: Axes, rows: pd.DataFrame, name: str, factor: float = 1, x: str = "rate") -> None:
    """From the median of column `name` up to its p90, thick, and to its p99, thin with an end; where they are known."""
    own = look(rows["engine"].iloc[0])
    middle, p90, p99 = (factor * rows[f"{name}_{part}"].astype(float) for part in ("median", "p90", "p99"))
    axes.vlines(rows[x], middle, p90, color=own.colour, lw=2.6, alpha=0.75, zorder=1.6)
    axes.vlines(rows[x], middle, p99, color=own.colour, lw=1.0, zorder=1.5)
    axes.plot(rows[x], p99, "_", ms=4.5, color=own.colour, mew=1.2, ls="", zorder=1.5)


def prediction(axes: Axes, rows: pd.DataFrame, name: str, factor: float = 1) -> None:
    """A thin dashed line of one engine's predicted column `name`, where the replay is not saturated."""
    known = rows[~is_true(rows["saturated_predicted"])].dropna(subset=[name]).sort_values("requests_per_s")
    colour = 0.8 * np.array(to_rgb(look(rows["engine"].iloc[0]).colour))
    axes.plot(known["requests_per_s"], factor * known[name], color=colour, lw=1.0, ls=DASHED, zorder=2.5)


def scaled(axes: Axes, values: Sequence[float], limits: Sequence[float] = ()) -> None:
    """Set the y axis to hold `values` and `limits`: logarithmic over more than a decade, otherwise from 0."""
    shown = np.array([value for value in [*values, *limits] if np.isfinite(value)])
    positive = shown[shown > 0]
    if positive.size and positive.max() / positive.min() > DECADE:
        axes.set_yscale("log")
        axes.set_ylim(positive.min() / 1.35, positive.max() * 1.35)
        logarithmic(axes, "y")
    else:
        axes.set_ylim(0, 1.08 * positive.max() if positive.size else 1)
        axes.grid(axis="y")


def saturated_strip(axes: Axes, table: pd.DataFrame, x: str = "rate") -> None:
    """A strip above the values with a row for each engine that has saturated points; its y axis has been scaled."""
    found = table[is_true(table["saturated"])]
    rows = by_engine(found)
    if not rows:
        return
    row = min(STRIP_ROW, STRIP_MOST / len(rows))
    strip = row * len(rows) + STRIP_MARGIN
    ticks = [tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]]
    _make_room(axes, strip)
    axes.set_yticks(ticks)
    inside = {"transform": axes.transAxes, "zorder": 3.5}
    axes.add_patch(Rectangle((0, 1 - strip), 1, strip, facecolor="0.95", edgecolor="none", **inside))
    axes.plot([0, 1], [1 - strip] * 2, color="0.6", lw=0.6, **inside)
    axes.text(0.02, 1 - strip / 2, "saturated", va="center", fontsize=7, color="0.45", **inside)
    beside = {"ls": "", "gid": "saturated", "transform": axes.get_xaxis_transform(), "zorder": 5}
    for number, own in enumerate(rows):
        y, style = 1 - row * (number + 0.5) - STRIP_MARGIN / 2, look(own["engine"].iloc[0])
        heights = np.full(len(own), y)
        axes.plot(own[x], heights, style.marker, ms=4.4, mfc="white", mec=style.colour, mew=1.0, **beside)


def _make_room(axes: Axes, share: float) -> None:
    """Move the upper limit of the y axis so that what was shown fills the rest below `share` of the height."""
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        axes.set_ylim(low, low * (high / low) ** (1 / (1 - share)))
    else:
        axes.set_ylim(low, low + (high - low) / (1 - share))


def rate_axis(axes: Axes, table: pd.DataFrame, beside: Iterable[float] = ()) -> None:
    """A logarithmic x axis with numbers at rates that were run, first those of several engines, where there is room.

    It has room for the rates `beside` too.
    """
    shown = [*table["rate"], *beside]
    low, high = min(shown), max(shown)
    room = max((high / low) ** 0.07, 1.15)
    axes.set_xscale("log")
    axes.set_xlim(low / room, high * room)
    length = np.log(high / low * room**2)
    ticks: list[float] = []
    for rate in [*common_rates(table), *np.unique(table["rate"])]:
        if all(abs(np.log(rate / tick)) / length >= NEAREST for tick in ticks):
            ticks.append(rate)
    axes.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x")
