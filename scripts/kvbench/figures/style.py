"""The common style of all figures: engines' colours, fonts, widths, and settings for reproducible files."""

from __future__ import annotations

import difflib
import functools
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike

from kvbench.errors import UserError
from kvbench.figures.not_drawn import NOTHING
from kvbench.records import PLAIN_SPLIT, SPLIT

WIDTH_IN = 7.0
NARROW_IN = 3.5

RC = {
    "font.family": "DejaVu Sans",  # ships with Matplotlib, so figures look the same on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 8,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "kvbench",
    "figure.dpi": 100,
}

# Ticks per decade of a logarithmic axis, by the largest number of decades for which they are used.
TICKS = ((0.95, (1, 2, 3, 5, 7)), (1.7, (1, 2, 5)), (2.6, (1, 3)))


@dataclass(frozen=True)
class Look:
    """How an engine is drawn in all figures: its colour and, for greyscale print, a hatch and a marker."""

    colour: str
    hatch: str
    marker: str


# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/) and a grey: Transformers warm, vLLM cool; the reservations
# are a pale, a middle and a dark green.
LOOKS = {
    "hf-sequential": Look("#999999", "", "o"),
    "hf-batch": Look("#E69F00", "///", "s"),
    "hf-static": Look("#D55E00", "\\\\\\", "^"),
    "hf-static-compiled": Look("#CC79A7", "xxx", "v"),
    "hf-continuous": Look("#F0E442", "...", "D"),
    "vllm-sequential": Look("#56B4E9", "--", "<"),
    "vllm-contiguous": Look("#332288", "//", "p"),
    "vllm-reserved": Look("#009E73", "||", ">"),
    "vllm-reserved-power-of-two": Look("#99DDCC", "||//", "h"),
    "vllm-reserved-oracle": Look("#225522", "||..", "d"),
    "vllm": Look("#0072B2", "", "P"),
    "vllm-eager": Look("#555555", "++", "X"),
}
OTHER = Look("#666666", "oo", "*")

# Colours of slots by use, from dark (in use) to light (lost), so that the order is visible in greyscale too.
SPLIT_COLOURS = {
    "live": "#0072B2",
    "reserved": "#56B4E9",
    "internal": "#E69F00",
    "padding": "#F0E442",
    "finished": "#CC79A7",
    "expired": "#D55E00",
    "page_padding": "#BBBBBB",
}
SPLIT_HATCHES = {
    "live": "",
    "reserved": "///",
    "internal": "...",
    "padding": "\\\\\\",
    "finished": "xxx",
    "expired": "ooo",
    "page_padding": "---",
}
UNUSED = "#EDEDED"
NO_REPEAT = "No timed repeat to draw."


def shown_uses(amounts: Mapping[str, ArrayLike]) -> list[str]:
    """The uses of slots that a figure shows: those of every cache, and the others where they occur.

    `amounts`: slots or shares of each use in everything that the figure draws.
    """
    return [use for use in SPLIT if use in PLAIN_SPLIT or np.nansum(np.asarray(amounts[use], float)) > 0]


def look(engine: str) -> Look:
    """The look of an engine; unknown engines share a grey one."""
    return LOOKS.get(engine, OTHER)


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator that runs a drawing function under RC without changing Matplotlib's global state."""

    @functools.wraps(draw)
    def inside(*args: Any, **kwargs: Any) -> Figure:
        with mpl.rc_context(RC):
            return draw(*args, **kwargs)

    return inside


@styled
def said(text: str, width_in: float = WIDTH_IN) -> Figure:
    """A figure with a sentence, for when there is nothing to draw."""
    lines = wrapped(text, width_in)
    figure = Figure(figsize=(width_in, 0.6 + 0.14 * lines.count("\n")), label=NOTHING)
    figure.text(0.5, 0.5, lines, ha="center", va="center", color="0.25", parse_math=False)
    return figure


def settle(options: Mapping[str, Any] | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A figure's options merged over its defaults, without `formats` and `dpi`; UserError for an unknown option."""
    given = {name: value for name, value in (options or {}).items() if name not in ("formats", "dpi")}
    for name in given:
        if name not in defaults:
            close = difflib.get_close_matches(name, defaults, n=1)
            hint = f"did you mean {close[0]}?" if close else f"use {', '.join(defaults)}"
            raise UserError(f"config.yaml: figures.{name}: unknown option; {hint}")
    return {**defaults, **given}


def is_narrow(width_in: float) -> bool:
    """Whether panels are stacked because the figure is too narrow (a journal's column) to have them side by side."""
    return width_in < 5


def rows_figure(
    count: int,
    columns: int,
    *,
    width_in: float,
    row_in: float = 0.3,
    margin_in: float = 1.0,
    ratios: Sequence[float] | None = None,
) -> tuple[Figure, Sequence[Axes]]:
    """A figure of panels, side by side or (narrow) stacked, as high as its `count` rows of engines need."""
    narrow = is_narrow(width_in)
    panel_in = margin_in + row_in * max(count, 2)
    figure = Figure(figsize=(width_in, panel_in * (columns if narrow else 1)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, wspace=0.03)
    grid = {"nrows": columns} if narrow else {"ncols": columns, "width_ratios": ratios}
    panels = list(figure.subplots(**grid, sharey=True, squeeze=False).flat)
    for axes in panels:
        axes.tick_params(axis="y", length=0)
    return figure, panels


def wrapped(text: str, width_in: float) -> str:
    """Text wrapped to a figure's width at 7.5 to 8 points."""
    return "\n".join(line for part in text.split("\n") for line in textwrap.wrap(part, int(width_in * 15.5)))


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Label the rows, the first at the top, with equal margins above and below."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def small_row_names(panels: Sequence[Axes]) -> None:
    """Names of several lines in a narrow figure: small enough for their rows."""
    for axes in panels:
        axes.tick_params(axis="y", labelsize=6.5)


def logarithmic(axes: Axes, which: str = "x", *, narrow: bool = False) -> None:
    """Make an axis (`x` or `y`) logarithmic with plain numbers; the more decades, the fewer numbers per decade.

    `narrow`: only half as many numbers fit.
    """
    axes.set(**{f"{which}scale": "log"})
    low, high = getattr(axes, f"get_{which}lim")()
    if high / low < 4:
        middle = np.sqrt(low * high)
        low, high = middle / 2, middle * 2
        axes.set(**{f"{which}lim": (low, high)})
    decades = np.log10(high / low) * (2 if narrow else 1)
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(LogLocator(subs=next((subs for limit, subs in TICKS if decades <= limit), (1,))))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axes.grid(axis=which)


def number_on(axes: Axes, x: float, y: float, text: str, *, dark: bool) -> None:
    """Write a number on a part of a bar: white on dark parts, otherwise black on a pale box, legible on hatches."""
    box = None if dark else {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85}
    axes.text(x, y, text, ha="center", va="center", fontsize=7, color="white" if dark else "black", bbox=box)
