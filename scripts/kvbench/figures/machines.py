"""Machines against metrics: each run's speed, latency and waste, and ratios of runs, a marker for each machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kvbench.figures.style import WIDTH_IN, Look, logarithmic, said, styled, wrapped

# Paul Tol's "bright" colours (https://personal.sron.nl/~pault/), so that no machine looks like an engine.
COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#555555")
MARKERS = ("o", "s", "^", "D", "v", "P", "<", "X", ">", "p", "h")
MOST_ROWS = 30
IN_A_LINE = 4  # names in the legend
ROW_IN, MACHINE_IN = 0.13, 0.05
NOTHING = "No metric of these folders to draw."
HEADING = ("model", "workload", "requests")
BAND = "0.95"  # of headings


@styled
def draw(values: pd.DataFrame, machines: Sequence[str], runs: Sequence[str], ratio: str) -> Figure:
    """One panel for each metric of `runs`, whose rows are runs, and below them one for the metric `ratio`.

    `values`: columns `metric`, `model`, `workload`, `requests`, `run`, `machine`, `value`, `low`, `high`, `least`,
    `most`; an interval is NaN where there is none. Rows that at least two machines have are drawn; where there is no
    such row, those of one machine, up to MOST_ROWS.
    """
    parts = [_Part(values, [metric for metric in runs if metric in set(values["metric"])])]
    parts.append(_Part(values, [ratio]))
    parts = [part for part in parts if part.rows]
    if not parts:
        return said(NOTHING)
    drawn = [name for name in machines if any(name in part.machines for part in parts)]
    heights = [0.55 + (ROW_IN + MACHINE_IN * part.beside) * part.height for part in parts]
    caption = wrapped(_caption(parts, [name for name in machines if name not in drawn]), WIDTH_IN)
    around_in = 0.2 * -(-len(drawn) // IN_A_LINE) + 0.14 * (2 + caption.count("\n"))
    figure = Figure(figsize=(WIDTH_IN, sum(heights) + around_in), layout="constrained")
    figure.legend(handles=[_handle(name, machines) for name in drawn], loc="outside upper center", ncols=IN_A_LINE)
    figure.supxlabel(caption, fontsize=7.5)
    frames = figure.subfigures(len(parts), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, frame in zip(parts, frames, strict=True):
        part.draw(list(frame.subplots(1, len(part.metrics), sharey=True, squeeze=False)[0]), machines)
    return figure


def machine_look(machine: str, machines: Sequence[str]) -> Look:
    """Colour and marker of a machine, by its place among all."""
    place = list(machines).index(machine)
    return Look(COLOURS[place % len(COLOURS)], "", MARKERS[place % len(MARKERS)])


def _handle(machine: str, machines: Sequence[str]) -> Line2D:
    own = machine_look(machine, machines)
    return Line2D([], [], ls="", marker=own.marker, color=own.colour, ms=5, mec="white", mew=0.4, label=machine)


class _Part:
    """Panels that share their rows."""

    def __init__(self, values: pd.DataFrame, metrics: Sequence[str]) -> None:
        own = values[values["metric"].isin(list(metrics))]
        key = [*HEADING, "run"]
        shared = own.groupby(key)["machine"].transform("nunique") > 1
        self.only_shared = bool(shared.any())
        own = own[shared] if self.only_shared else own
        rows = list(dict.fromkeys(own[key].itertuples(index=False, name=None)))
        self.rows, self.left_out = rows[:MOST_ROWS], max(0, len(rows) - MOST_ROWS)
        self._places = self._place()
        own = own.assign(row=list(own[key].itertuples(index=False, name=None)))
        self.values = own[own["row"].isin(self.rows)]
        self.metrics = [metric for metric in metrics if metric in set(self.values["metric"])]
        self.machines = set(self.values["machine"])
        self.beside = len(self.machines) if self.only_shared else 1

    def _place(self) -> dict[tuple[str, ...], int]:
        """The height of each row and of each heading, which has no run."""
        places: dict[tuple[str, ...], int] = {}
        for row in self.rows:
            places.setdefault(row[:-1], len(places))
            places[row] = len(places)
        return places

    @property
    def height(self) -> int:
        return len(self._places)

    def draw(self, panels: Sequence[Axes], machines: Sequence[str]) -> None:
        for axes, metric in zip(panels, self.metrics, strict=True):
            self._panel(axes, self.values[self.values["metric"] == metric], machines)
            axes.set_xlabel(metric)
        runs = {place: row[-1] for row, place in self._places.items() if len(row) > len(HEADING)}
        panels[0].set_yticks(list(runs), list(runs.values()))
        for row in self._places.keys() - set(self.rows):
            # In the last panel, so that no panel covers it, and on its own ground, so that no axis crosses it.
            where = {"transform": panels[0].get_yaxis_transform(), "va": "center", "in_layout": False}
            ground = {"facecolor": BAND, "edgecolor": "none", "pad": 1}
            panels[-1].text(0.01, self._places[row], _heading(row), fontsize=7.5, bbox=ground, **where)
        panels[0].set_ylim(self.height - 0.4, -0.6)

    def _panel(self, axes: Axes, values: pd.DataFrame, machines: Sequence[str]) -> None:
        present = [name for name in machines if name in self.machines]
        for name, rows in values.groupby("machine", sort=False):
            shift = (present.index(str(name)) - (len(present) - 1) / 2) * 0.7 / len(present)
            at = [self._places[row] + shift * (self.beside > 1) for row in rows["row"]]
            _points(axes, rows, np.asarray(at), machine_look(str(name), machines))
        if "share" in str(values["metric"].iloc[0]):
            axes.set_xlim(0, 1.05)
            axes.grid(axis="x")
        else:
            logarithmic(axes, narrow=len(self.metrics) > 2)
        for row, place in self._places.items():
            if len(row) == len(HEADING):
                axes.axhspan(place - 0.5, place + 0.5, color=BAND, lw=0, zorder=0)
        axes.tick_params(axis="y", length=0)
        if "ratio" in str(values["metric"].iloc[0]):
            axes.axvline(1, color="0.4", lw=0.8, zorder=1)


def _points(axes: Axes, rows: pd.DataFrame, at: np.ndarray, own: Look) -> None:
    """Values with their intervals or, without these, ranges."""
    middle = rows["value"].to_numpy(dtype=float)
    ends = [
        rows[low].astype(float).fillna(rows[other].astype(float)).to_numpy()
        for low, other in (("low", "least"), ("high", "most"))
    ]
    errors = np.maximum([middle - ends[0], ends[1] - middle], 0.0)
    marks = {"fmt": own.marker, "ms": 4.5, "mfc": own.colour, "mec": "white", "mew": 0.4, "zorder": 3}
    axes.errorbar(middle, at, xerr=errors, **marks, ecolor=own.colour, elinewidth=0.9, capsize=0)


def _heading(row: Sequence[str]) -> str:
    model, workload, requests = row
    return f"{model}, {workload}: {requests}"


def _caption(parts: Sequence[_Part], absent: Sequence[str]) -> str:
    told = ["point: median, line: 95% interval, or range below 6 repeats"]
    if not all(part.only_shared for part in parts):
        told.append("no row is of two machines, so each is shown")
    if absent:
        told.append(f"no row is of {', '.join(absent)}")
    if left_out := sum(part.left_out for part in parts):
        told.append(f"{left_out} further rows are in the tables alone")
    return "; ".join(told)
