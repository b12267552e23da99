"""The largest batch that fits, by context length and model: reserved and paged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from kvbench.capacity.contexts import Conditions, Curve, curves, mean_share, read_conditions
from kvbench.capacity.shapes import chosen, read_shapes
from kvbench.figures.style import WIDTH_IN, is_narrow, logarithmic, said, settle, styled, wrapped

OPTIONS = {"width_in": WIDTH_IN}
# Okabe and Ito's colours, from dark to light also in greyscale, and a marker for each model.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
MARKERS = "osD^v<>P"


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    conditions = read_conditions(job.input.shapes)
    share = mean_share(conditions, job.params.seed)
    shapes = chosen(read_shapes(job.input.shapes), conditions.models, f"{job.input.shapes}: figure")
    found = curves(shapes, conditions, share)
    return draw(found, conditions, share, job.params.options)


@styled
def draw(
    curves: Sequence[Curve], conditions: Conditions, share: float, options: Mapping[str, Any] | None = None
) -> Figure:
    """A pair of lines per model; `share` is the mean share of the context that a paged request holds."""
    width_in = settle(options, OPTIONS)["width_in"]
    if not any(max(curve.paged, default=0) for curve in curves):
        return said("No model of config/shapes.yaml fits on its cards with one request.", width_in)
    narrow = is_narrow(width_in)
    figure = Figure(figsize=(width_in, 4.6 if narrow else 3.6), layout="constrained")
    axes = figure.subplots()
    for number, curve in enumerate(curves):
        looks = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        _line(axes, curve, curve.paged, **looks)
        _line(axes, curve, curve.reserved, **looks, mfc="white", ls=(0, (5, 2)))
    _settle_axes(axes, curves)
    place = {"loc": "outside lower center", "ncols": 2} if narrow else {"loc": "outside right upper"}
    figure.legend(handles=_handles(curves), handlelength=3.2, **place)
    figure.supxlabel(wrapped(_note(conditions, share), width_in), fontsize=7.5)
    return figure


def _line(axes: Axes, curve: Curve, batch: Sequence[int], **looks: Any) -> None:
    """A line that is dotted beyond the model's own positions and omitted where nothing fits."""
    lengths, sizes = np.array(curve.contexts_tokens), np.array(batch)
    fits = sizes > 0
    lengths, sizes = lengths[fits], sizes[fits]
    own = lengths <= (curve.shape.max_context or lengths.max(initial=0))
    axes.plot(lengths[own], sizes[own], ms=4.5, **looks)
    beyond = slice(max(0, int(own.sum()) - 1), None)
    faint = {**looks, "ls": (0, (1, 2)), "marker": ""}
    axes.plot(lengths[beyond], sizes[beyond], lw=0.9, **faint)
    axes.plot(lengths[~own], sizes[~own], ms=2.5, **{**looks, "ls": ""})


def _settle_axes(axes: Axes, curves: Sequence[Curve]) -> None:
    lengths = curves[0].contexts_tokens
    axes.set_xscale("log")
    axes.set_xlim(lengths[0] / 1.15, lengths[-1] * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(lengths))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda tokens, _: f"{tokens / 1024:g}K" if tokens >= 1024 else f"{tokens:g}")
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Context length (tokens)")
    axes.set_ylim(0.75, 1.6 * max(max(curve.paged) for curve in curves))
    logarithmic(axes, "y")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylabel("Largest batch that fits (requests)")


def _handles(curves: Sequence[Curve]) -> list[Line2D]:
    models = [
        Line2D(
            [],
            [],
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            ms=4.5,
            label=curve.shape.label + (f", on {curve.cards} cards" if curve.cards > 1 else ""),
        )
        for i, curve in enumerate(curves)
    ]
    grey = {"color": "0.35", "marker": "o", "ms": 4.5}
    return [
        *models,
        Line2D([], [], **grey, label="paged"),
        Line2D([], [], **grey, mfc="white", ls=(0, (5, 2)), label="reserved at the context length"),
        Line2D([], [], color="0.35", lw=0.9, ls=(0, (1, 2)), label="beyond the model's positions"),
    ]


def _note(conditions: Conditions, share: float) -> str:
    card = conditions.card
    name = card.name[:1].upper() + card.name[1:]
    taken = 100 * card.usable_bytes / card.memory_bytes
    paged = f"as n = {conditions.requests:,} requests of {conditions.workload} do of {conditions.max_length:,} tokens"
    return (
        f"{name}: {taken:.0f}% of it for weights and KV cache; {conditions.dtype}; the fewest cards that "
        f"hold the weights. Paged: a request holds {100 * share:.1f}% of the context on average, {paged}, "
        f"and half a block of {conditions.block_size}."
    )
