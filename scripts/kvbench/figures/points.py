"""Common parts of figures of sweeps: points with intervals, lines of replays, and notes on both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kvbench.figures.data.rows import by_engine, ends
from kvbench.figures.style import is_narrow, look, wrapped
from kvbench.figures.words import range_text

GREY = "0.45"
NO_POINT = "No point of this sweep has a measured repeat."
# Names of counts of sweeps.csv in a caption.
COUNTS = {
    "steps": "steps",
    "block_steps": "blocks over all steps",
    "live_slot_steps": "filled slots over all steps",
    "computed_tokens": "tokens computed",
}


def panels_figure(columns: int, width_in: float, text: str, panel_in: float = 2.3) -> tuple[Figure, Sequence[Axes]]:
    """A figure of panels with separate axes, side by side or (narrow) stacked, above a caption."""
    narrow = is_narrow(width_in)
    below = wrapped(text, width_in)
    height_in = 0.4 + panel_in * (columns if narrow else 1) + 0.13 * (1 + below.count("\n"))
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, wspace=0.03)
    figure.supxlabel(below, fontsize=7.5)
    return figure, list(figure.subplots(**{"nrows" if narrow else "ncols": columns}, squeeze=False).flat)


def drawable(table: pd.DataFrame, x: str) -> pd.DataFrame:
    """The rows with a value on the axis `x` and with repeats."""
    return table.dropna(subset=[x, "n_repeats"])


def with_sizes(table: pd.DataFrame, last: float = 7.5, step: float = 2.5) -> list[tuple[pd.DataFrame, float]]:
    """Each engine's rows and marker size, the last engine's and `step` more for each before it.

    Markers drawn earlier are larger, so that equal points are all visible.
    """
    groups = by_engine(table)
    return [(rows, last + step * later) for later, rows in zip(reversed(range(len(groups))), groups, strict=True)]


def measured_points(axes: Axes, x: str, rows: pd.DataFrame, size: float, name: str, factor: float) -> None:
    """Medians of column `name` of one engine's rows times `factor`, with intervals or, without these, ranges."""
    low, high = ends(rows, name)
    middle = rows[f"{name}_median"]
    errors = factor * np.maximum([middle - low, high - middle], 0.0)
    errors[:, errors.sum(axis=0) == 0] = np.nan  # all repeats equal: no whisker
    own = look(rows["engine"].iloc[0])
    marks = {"fmt": own.marker, "ms": size, "mfc": own.colour, "mec": "white", "mew": 0.6, "zorder": 3}
    whiskers = {"ecolor": "black", "elinewidth": 0.9, "capsize": 2.5, "barsabove": True}
    axes.errorbar(rows[x], factor * middle, yerr=errors, **marks, **whiskers)


def replay_lines(axes: Axes, x: str, replays: pd.DataFrame, name: str, factor: float) -> None:
    """Column `name` of each engine's replays, points and grid, in order of `x`."""
    for engine, found in replays.groupby("engine", sort=False):
        rows = found.drop_duplicates(x).sort_values(x)
        axes.plot(rows[x], factor * rows[name].astype(float), color=look(engine).colour, lw=1, marker=".", ms=3)


def handles(table: pd.DataFrame, replays: pd.DataFrame) -> list[Line2D]:
    """Legend entries: one per engine, and one for the replay."""
    engines = list(dict.fromkeys(table["engine"]))
    found = [
        Line2D([], [], ls="", marker=look(name).marker, color=look(name).colour, ms=7.5, mec="white", label=name)
        for name in engines
    ]
    colours = [look(name).colour for name in engines if name in set(replays["engine"])]
    if colours:
        found.append(Line2D([], [], color=colours[0] if len(colours) == 1 else GREY, marker=".", ms=3, label="replay"))
    return found


def caption(table: pd.DataFrame) -> str:
    """The caption: n, the meaning of whiskers, and how the replay differs from the live engine."""
    known = table["output_tokens_per_s_ci95_low"].notna()
    whisker = "95% bootstrap interval" if known.all() else "95% bootstrap interval, or range below 6 repeats"
    lost = table["disturbed_repeats"].sum()
    other = f"; other load disturbed {lost:.0f} repeats" if lost else ""
    n = range_text(table["n_repeats"])
    live = f"point: live, median of n = {n} repeats, whisker: {whisker if known.any() else 'range'}{other}"
    return f"{live}\n{_beside(table[table['equals_replay'].notna()])}".strip()


def _beside(rows: pd.DataFrame) -> str:
    """A sentence on the number of points at which live engine and replay differ, and by how much."""
    if rows.empty:
        return ""
    unequal = rows[rows["equals_replay"] == "no"]
    line = "line: replay under vLLM's limits in force, which knows no speed"
    if unequal.empty:
        return f"{line}; at each point it has exactly the live steps, blocks, tokens computed and preemptions"
    return f"{line}; at {len(unequal)} of {len(rows)} points the live engine differs: {_differences(unequal)}"


def _differences(rows: pd.DataFrame) -> str:
    """The range of live minus replay for each count; equal counts are left out."""
    beyond = {name: 100 * rows[f"difference_{name}"] / rows[f"replay_{name}"] for name in COUNTS}
    found = [f"{COUNTS[name]} {_span(values, '+.2g', '%')}" for name, values in beyond.items() if values.any()]
    preemptions = rows["difference_preemptions"]
    return ", ".join([*found, f"preemptions {_span(preemptions, '+.0f')}"] if preemptions.any() else found)


def _span(values: pd.Series, form: str, unit: str = "") -> str:
    least, most = (f"{value:{form}}{unit}" for value in (values.min(), values.max()))
    return least if least == most else f"{least} to {most}"
