"""The list of interactive charts: the figure beside which each stands, its title, and what builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kvbench.report.charts import (
    at_once,
    attribution,
    batched_requests,
    block_size,
    kv_waste,
    latency,
    preemption,
    slots,
    throughput,
)
from kvbench.report.charts.chart import Chart
from kvbench.report.charts.source import Source


@dataclass(frozen=True)
class Entry:
    """A chart; `build` returns None if there is nothing to draw."""

    name: str
    figure: str  # of figures/registry.py
    title: str  # of its button
    build: Callable[[Source], Chart | None]


CHARTS = (
    Entry("kv_waste", "kv_waste", "Interactive", kv_waste.build),
    Entry("slots", "memory", "Slots over time", slots.build),
    Entry("at_once", "memory", "Requests at once", at_once.build),
    Entry("throughput", "throughput", "Interactive", throughput.build),
    Entry("attribution", "attribution", "Interactive", attribution.build),
    Entry("latency", "latency", "Distribution", latency.build),
    Entry("block_size", "block_size", "Interactive", block_size.build),
    Entry("preemption", "preemption", "Interactive", preemption.build),
    Entry("batched_requests", "batched_requests", "Over time", batched_requests.build),
)
