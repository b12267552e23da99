"""How full blocks are, and speed, by block size: the numbers of the figure `block_size`."""

from __future__ import annotations

from kvbench.report.charts.chart import Chart
from kvbench.report.charts.source import Source
from kvbench.report.charts.sweep import Sweep
from kvbench.report.charts.sweep import build as build_sweep

SWEEP = Sweep(
    key="block_size",
    x="block_size",
    title="Block size (tokens)",
    base=2,
    quantities={
        "live_share_of_allocated": ("Live over allocated slots (%)", 100),
        "output_tokens_per_s": ("Output tokens per second", 1),
    },
)


def build(source: Source) -> Chart | None:
    """The chart of a sweep of block sizes, if there was one."""
    return build_sweep(source, SWEEP)
