"""Workload lengths: the tokens of prompts and outputs, and how the two are related."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kvbench.figures.data.rows import lengths
from kvbench.figures.seaborn_alone import seaborn
from kvbench.figures.style import WIDTH_IN, is_narrow, logarithmic, said, settle, styled

OPTIONS = {"width_in": WIDTH_IN}
LINES = {
    "prompt": ("#0072B2", "-"),
    "output": ("#E69F00", (0, (5, 1.5))),
    "prompt + output": ("black", (0, (1, 1))),
}


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    return draw(lengths(job.input.workload), job.params.options)


@styled
def draw(lengths: Mapping[str, np.ndarray], options: Mapping[str, Any] | None = None) -> Figure:
    """Left, the cumulative share of requests by tokens; right, each request's output against its prompt, in tokens."""
    width_in = settle(options, OPTIONS)["width_in"]
    if not len(lengths["prompt"]):
        return said("No request in this workload.", width_in)
    narrow = is_narrow(width_in)
    figure = Figure(figsize=(width_in, 5.2 if narrow else 2.7), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)
    left, right = figure.subplots(2 if narrow else 1, 1 if narrow else 2)
    _draw_shares(left, lengths)
    _draw_pairs(right, lengths["prompt"], lengths["output"])
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=1 if narrow else 3)
    return figure


def _draw_shares(axes: Axes, lengths: Mapping[str, np.ndarray]) -> None:
    for name, (colour, dashes) in LINES.items():
        tokens = lengths[name]
        label = f"{name}: mean {tokens.mean():.0f}, median {np.median(tokens):.0f}"
        seaborn.ecdfplot(x=tokens, ax=axes, label=label, color=colour, ls=dashes)
        axes.plot(np.median(tokens), 0.5, "o", ms=3.5, color=colour)
    axes.set_xlim(max(min(map(np.min, lengths.values())) / 1.3, 0.8), max(map(np.max, lengths.values())) * 1.3)
    logarithmic(axes)
    axes.grid(axis="y")
    axes.set_xlabel("Tokens")
    axes.set_ylabel("Share of requests")
    axes.set_title(f"{len(lengths['prompt'])} requests", loc="left")


def _draw_pairs(axes: Axes, prompt: np.ndarray, output: np.ndarray) -> None:
    alpha = 0.8 if len(prompt) < 100 else 0.35
    axes.plot(prompt, output, "o", ms=3, color="#0072B2", alpha=alpha, mew=0, rasterized=len(prompt) > 500)
    for which, tokens in (("x", prompt), ("y", output)):
        axes.set(**{f"{which}lim": (max(tokens.min() / 1.3, 0.8), tokens.max() * 1.3)})
        logarithmic(axes, which)
    axes.set_xlabel("Tokens of the prompt")
    axes.set_ylabel("Tokens of the output")
    axes.set_title("dot: a request", loc="left")
