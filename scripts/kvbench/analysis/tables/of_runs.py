"""The tables that are made from runs only, written by the rule summarise_runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.analysis.tables import (
    attribution,
    devices,
    hosts,
    kv_dtypes,
    kv_groups,
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

Table = Callable[[Sequence[Run]], pd.DataFrame]


def tables(runs: Sequence[Run], bandwidth: Mapping[str, Any], seed: int) -> dict[str, pd.DataFrame]:
    """Each table by the name of its file; `bandwidth` is bandwidth.json, `seed` is for the bootstrap.

    Runs whose requests arrive over time are only in the tables of memory, since their throughput is that of the
    arrivals; `of_serving` has their own tables.
    """
    samples = _at_once(runs, repeats.table)
    return {
        "throughput": _at_once(runs, lambda some: throughput.table(some, seed)),
        "latency": _at_once(runs, lambda some: latency.table(some, seed)),
        "memory": memory.table(runs),
        "devices": devices.table(runs),
        "hosts": hosts.table(runs),
        "kv_waste": kv_waste.table(runs),
        "kv_groups": kv_groups.table(runs),
        "ratios": _at_once(runs, lambda some: ratios.table(some, seed)),
        "attribution": _at_once(runs, lambda some: attribution.table(some, seed)),
        "roofline": _at_once(runs, lambda some: roofline.table(some, bandwidth, seed)),
        "repeats": samples,
        "sharing": _at_once(runs, lambda some: sharing.table(some, samples, seed)),
        "kv_dtypes": _at_once(runs, lambda some: kv_dtypes.table(some, samples, seed)),
        "processes": _at_once(runs, lambda some: processes.table(some, seed)),
        "upkeep": upkeep.table(runs),
    }


def _at_once(runs: Sequence[Run], make: Table) -> pd.DataFrame:
    """A table of the runs whose requests are submitted at once; without such runs, its columns alone."""
    chosen = [run for run in runs if not run.arrives]
    return make(chosen) if chosen else make(runs).iloc[:0]
