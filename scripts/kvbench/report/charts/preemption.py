"""Preemptions, tokens computed again, and speed, by slots of the pool: the numbers of the figure `preemption`."""

from __future__ import annotations

from kvbench.figures.preemption import PANELS
from kvbench.report.charts.chart import Chart
from kvbench.report.charts.source import Source
from kvbench.report.charts.sweep import Sweep
from kvbench.report.charts.sweep import build as build_sweep

SWEEP = Sweep(key="kv_budget_mib", x="pool_slots", title="KV pool (slots)", base=10, quantities=PANELS)


def build(source: Source) -> Chart | None:
    """The chart of a sweep of KV budgets, if there was one."""
    return build_sweep(source, SWEEP)
