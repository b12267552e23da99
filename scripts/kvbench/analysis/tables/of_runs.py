"""The tables that are made from runs only, written by the rule summarise_runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.analysis.tables import (
    attribution,
    devices,
    kv_waste,
    latency,
    memory,
    processes,
    ratios,
    repeats,
    roofline,
    sharing,
    throughput,
    upkeep,
)


def tables(runs: Sequence[Run], bandwidth: Mapping[str, Any], seed: int) -> dict[str, pd.DataFrame]:
    """Each table by the name of its file; `bandwidth` is bandwidth.json, `seed` is for the bootstrap."""
    samples = repeats.table(runs)
    return {
        "throughput": throughput.table(runs, seed),
        "latency": latency.table(runs, seed),
        "memory": memory.table(runs),
        "devices": devices.table(runs),
        "kv_waste": kv_waste.table(runs),
        "ratios": ratios.table(runs, seed),
        "attribution": attribution.table(runs, seed),
        "roofline": roofline.table(runs, bandwidth, seed),
        "repeats": samples,
        "sharing": sharing.table(runs, samples, seed),
        "processes": processes.table(runs, seed),
        "upkeep": upkeep.table(runs),
    }
