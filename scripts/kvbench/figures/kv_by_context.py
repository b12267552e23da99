"""Bytes of KV of a request against its length, by group of layers, and with every layer keeping every token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from kvbench.capacity.by_context import read_by_context
from kvbench.capacity.shapes import read_shapes
from kvbench.figures.style import WIDTH_IN, is_narrow, said, settle, styled
from kvbench.files import read_table
from kvbench.kv.groups import FULL, MLA, SLIDING

OPTIONS = {"width_in": WIDTH_IN}
COLUMNS = {True: 2, False: 4}  # of panels, by whether the figure is narrow
PANEL_IN = 1.45  # height of a panel
LABELLED = (1024, 8192, 65536)  # of the lengths, those with a number
LOOKS = {
    FULL: {"color": "#0072B2", "marker": "o"},
    SLIDING: {"color": "#E69F00", "marker": "s"},
    MLA: {"color": "#009E73", "marker": "^"},
}
NAMES = {FULL: "full layers", SLIDING: "sliding layers", MLA: "layers with a latent vector"}
TOTAL = {"color": "black", "lw": 1.6}
AS_FULL = {"color": "0.5", "lw": 1.2, "ls": (0, (4, 2))}
UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    models = read_by_context(job.input.shapes, read_shapes(job.input.shapes)).models
    return draw(read_table(job.input.table), models, job.params.options)


@styled
def draw(table: pd.DataFrame, models: Sequence[str], options: Mapping[str, Any] | None = None) -> Figure:
    """A panel for each of `models`, from the rows of kv_by_context.csv."""
    width_in = settle(options, OPTIONS)["width_in"]
    shown = [(name, rows) for name in models if len(rows := table[table["shape"] == name])]
    if not shown:
        return said("No model of config/shapes.yaml has a row in kv_by_context.csv.", width_in)
    columns = min(COLUMNS[is_narrow(width_in)], len(shown))
    height = -(-len(shown) // columns) * PANEL_IN + 0.8
    figure = Figure(figsize=(width_in, height), layout="constrained")
    panels = list(figure.subplots(-(-len(shown) // columns), columns, sharex=True, sharey=True, squeeze=False).flat)
    for axes, (_, rows) in zip(panels, shown, strict=False):
        _draw_panel(axes, rows)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    _settle(panels, pd.concat([rows for _, rows in shown]))
    figure.supxlabel("Length of the request (tokens)", fontsize=8)
    figure.supylabel("KV cache of the request", fontsize=8)
    figure.legend(handles=_handles(shown), loc="outside upper center", ncols=2 if is_narrow(width_in) else 5)
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    first = rows[rows["group"] == 1]
    axes.plot(first["context_tokens"], first["as_full_bytes"], **AS_FULL)
    axes.plot(first["context_tokens"], first["request_bytes"], **TOTAL)
    for kind, own in rows.groupby("kind", sort=False):
        axes.plot(own["context_tokens"], own["group_bytes"], ms=3, lw=0.9, **LOOKS[kind])
    axes.set_title(first["model"].iloc[0])
    axes.text(0.04, 0.96, _told(first), transform=axes.transAxes, ha="left", va="top", fontsize=6.5)


def _told(first: pd.DataFrame) -> str:
    """The share that every layer as a full one would waste at the longest length, and the published one."""
    last = first.iloc[-1]
    if last["wasted_as_full_share"] == 0:
        return f"{_bytes(last['request_bytes'])} at {_tokens(last['context_tokens'])}"
    text = f"{_percent(last['wasted_as_full_share'])} wasted as full\nat {_tokens(last['context_tokens'])}"
    published = first["published_share"].dropna()
    return text + (f"; RFC: {_percent(published.iloc[-1])}" if len(published) else "")


def _settle(panels: Sequence[Axes], rows: pd.DataFrame) -> None:
    lengths = sorted(rows["context_tokens"].unique())
    for axes in panels:
        axes.set(xscale="log", yscale="log", xlim=(lengths[0] / 1.3, lengths[-1] * 1.3))
        axes.xaxis.set_major_locator(FixedLocator([length for length in lengths if length in LABELLED]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda tokens, _: _tokens(tokens)))
        axes.yaxis.set_major_locator(LogLocator(numticks=12))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda size, _: _bytes(size)))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
        axes.grid(axis="y")
    low, high = rows["group_bytes"].min(), rows["as_full_bytes"].max()
    panels[0].set_ylim(low / 2, high * 20)  # room for the words above the lines


def _handles(shown: Sequence[tuple[str, pd.DataFrame]]) -> list[Line2D]:
    kinds = dict.fromkeys(kind for _, rows in shown for kind in rows["kind"])
    return [
        Line2D([], [], **TOTAL, label="all layers"),
        *(Line2D([], [], ms=3, lw=0.9, **LOOKS[kind], label=NAMES[kind]) for kind in LOOKS if kind in kinds),
        Line2D([], [], **AS_FULL, label="if all kept every token"),
    ]


def _tokens(tokens: float) -> str:
    return f"{tokens / 1024:g}K"


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _bytes(size: float) -> str:
    unit, name = next(((unit, name) for unit, name in UNITS if size >= unit), (1, "B"))
    return f"{size / unit:.3g} {name}"
