"""Memory over time: totals of process and device, and the split of the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from kvbench.analysis.results import load_runs
from kvbench.figures.data.memory import MemoryTrace, memory_trace
from kvbench.figures.data.rates import without_lower_rates
from kvbench.figures.style import (
    NO_REPEAT,
    SPLIT_COLOURS,
    UNUSED,
    WIDTH_IN,
    is_narrow,
    said,
    settle,
    shown_uses,
    styled,
)
from kvbench.figures.words import use_text
from kvbench.records import SPLIT

OPTIONS = {"width_in": WIDTH_IN}
GIB_MIB = 1024
POOL = "#0072B2"
# Greens and greys, so that no phase has the colour of a slot.
PHASES = {
    "initial": ("initial, loading", "#D9D9D9"),
    "loaded": ("loaded", "#969696"),
    "fitting": ("finding what fits", "#737373"),
    "warm-up": ("warm-up", "#A1D99B"),
    "repeat": ("timed repeat", "#41AB5D"),
    "shown": ("repeat drawn in detail", "#00441B"),
    "blocks": ("untimed repeat", "#E5F5E0"),
    "done": ("done", "#BDBDBD"),
}
OTHER_PHASE = "#D9D9D9"


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    runs = [run for run in load_runs(job.input.runs) if run.timed()]
    names = pd.DataFrame([run.names for run in runs], columns=["engine", "point"], dtype=str)
    traces = [memory_trace(runs[place]) for place in without_lower_rates(names).index]
    return draw(traces, job.params.options)


@styled
def draw(traces: Sequence[MemoryTrace], options: Mapping[str, Any] | None = None) -> Figure:
    """A row per engine: left, the whole process in GiB with its phases; right, the cache in one timed repeat in MiB."""
    width_in = settle(options, OPTIONS)["width_in"]
    if not traces:
        return said(NO_REPEAT, width_in)
    narrow = is_narrow(width_in)
    height_in = 1.9 + 2.5 * len(traces) if narrow else 0.8 + 1.35 * len(traces)
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.05, h_pad=0.05, wspace=0.04, hspace=0.02)
    shape = {"nrows": 2 * len(traces)} if narrow else {"nrows": len(traces), "ncols": 2, "width_ratios": [1, 1.15]}
    grid = figure.subplots(**shape, squeeze=False).reshape(len(traces), 2)
    top = 1.06 * max(float(trace.zoom["pool"].max(initial=0)) for trace in traces)
    for trace, (left, right) in zip(traces, grid, strict=True):
        _draw_process(left, trace)
        _draw_cache(right, trace, top)
    for axes, text in zip(grid[-1], ("Time since the process began (s)", "Time in the repeat (s)"), strict=True):
        axes.set_xlabel(text)
    _legend(figure, traces, narrow)
    return figure


def _draw_process(axes: Axes, trace: MemoryTrace) -> None:
    axes.set_title(trace.label, loc="left", fontweight="bold", pad=7)
    pool_s, pool = trace.cache_s, trace.pool / GIB_MIB
    axes.fill_between(pool_s, pool, step="post", color=POOL, linewidth=0, rasterized=True, label="cache")
    axes.plot(trace.device_s, trace.device_used / GIB_MIB, color="0.55", dashes=(3, 1.5), label="device")
    axes.plot(trace.device_s, trace.process / GIB_MIB, color="black", label="process")
    for gpu, (seconds, held) in trace.by_gpu.items():
        axes.plot(seconds, held / GIB_MIB, color="black", linewidth=0.6, dashes=(1, 1 + gpu), label=f"GPU {gpu}")
    axes.set_xlim(0, trace.device_s[-1])
    axes.set_ylim(0, None)
    axes.set_ylabel("Memory (GiB)")
    axes.locator_params(axis="y", nbins=4)
    for phase in trace.phases:
        axes.broken_barh(
            [(phase.start_s, phase.end_s - phase.start_s)],
            (1.01, 0.05),
            transform=axes.get_xaxis_transform(),
            facecolor=PHASES.get(_kind(phase.name, trace), ("", OTHER_PHASE))[1],
            edgecolor="white",
            linewidth=0.4,
            clip_on=False,
        )


def _draw_cache(axes: Axes, trace: MemoryTrace, top: float) -> None:
    zoom = trace.zoom
    requests = f"{trace.requests} request{'s' if trace.requests > 1 else ''}"
    process = f", process 1 of {trace.processes}" if trace.processes > 1 else ""
    axes.set_title(f"repeat {trace.repeat} of {trace.repeats}{process}: {requests}", loc="left", pad=7)
    axes.set_ylabel("KV cache (MiB)")
    if not len(trace.zoom_s):
        axes.text(0.5, 0.5, "no step was recorded", color="0.45", ha="center", transform=axes.transAxes)
        return
    colours = [SPLIT_COLOURS[name] for name in SPLIT]
    allocated = np.sum([zoom[name] for name in SPLIT], axis=0)
    filled = {"colors": colours, "labels": SPLIT, "linewidth": 0, "rasterized": True}
    axes.stackplot(trace.zoom_s, *(zoom[name] for name in SPLIT), step="post", **filled)
    idle = {"color": UNUSED, "linewidth": 0, "rasterized": True, "label": "unused"}
    axes.fill_between(trace.zoom_s, allocated, zoom["pool"], step="post", **idle)
    axes.step(trace.zoom_s, zoom["pool"], where="post", color="black", linewidth=0.7, label="pool")
    axes.set_xlim(0, trace.zoom_s[-1])
    axes.set_ylim(0, top)


def _kind(phase: str, trace: MemoryTrace) -> str:
    """The key of PHASES under which a phase is drawn."""
    if phase == f"repeat-{trace.repeat}":
        return "shown"
    if phase in ("upkeep", "again"):  # untimed like the one before it
        return "blocks"
    return "repeat" if phase.startswith("repeat-") else phase


def _legend(figure: Figure, traces: Sequence[MemoryTrace], narrow: bool) -> None:
    """A legend with headings for lines, phases and slots, five rows per column; if narrow, in two columns."""
    source = "/".join(sorted({trace.source for trace in traces}))
    seen = {_kind(phase.name, trace) for trace in traces for phase in trace.phases}
    lines = [
        Line2D([], [], color="black", label=f"process ({source})"),
        Line2D([], [], color="0.55", dashes=(3, 1.5), label="device in use"),
        Patch(color=POOL, label="cache's tensors"),
    ]
    for gpu in sorted({gpu for trace in traces for gpu in trace.by_gpu}):
        lines += [Line2D([], [], color="black", linewidth=0.6, dashes=(1, 1 + gpu), label=f"of it on GPU {gpu}")]
    strip = [Patch(color=colour, label=name) for kind, (name, colour) in PHASES.items() if kind in seen]
    uses = shown_uses({name: np.concatenate([trace.zoom[name] for trace in traces]) for name in SPLIT})
    slots = [Patch(color=SPLIT_COLOURS[name], label=use_text(name)) for name in uses]
    slots.append(Patch(facecolor=UNUSED, edgecolor="black", linewidth=0.7, label="unused pool"))
    process, phases, cache = [_text("Process"), *lines], [_text("Phases (strip)"), *strip], [_text("Cache"), *slots]
    columns = [[*process, *cache], phases] if narrow else [process, *_split(phases), *_split(cache)]
    longest = max(map(len, columns))
    handles = [entry for column in columns for entry in column + [_text(" ")] * (longest - len(column))]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(columns), columnspacing=1.4)


def _split(column: list[Any], rows: int = 5) -> list[list[Any]]:
    """Split a column of the legend into pieces of `rows` rows; pieces after the first have an empty heading."""
    rest = [column[i : i + rows - 1] for i in range(rows, len(column), rows - 1)]
    return [column[:rows], *([_text(" "), *piece] for piece in rest)]


def _text(text: str) -> Patch:
    return Patch(facecolor="none", edgecolor="none", label=text)
