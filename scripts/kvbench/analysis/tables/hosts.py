"""Which host and which of its GPUs measured which run, where the runs of a results folder may come from several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Place, Run

COLUMNS = (
    *("model", "workload", "engine", "point", "host", "n_processes"),
    *("cpu", "cpus", "cpus_usable", "gpus", "gpu_ids", "driver"),
)


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run, host and GPUs; runs made before hosts were recorded have no row."""
    rows = [row for run in runs for row in _rows(run)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"cpus": "Int64", "cpus_usable": "Int64"})


def _rows(run: Run) -> list[dict[str, Any]]:
    known = {one.place: one.record["host"] for one in run.processes if one.host}
    counts = Counter(run.places)
    return [
        {
            **run.names,
            **place._asdict(),
            "n_processes": counts[place],
            **{name: record.get(name) for name in ("cpu", "cpus", "cpus_usable", "driver")},
            "gpus": ", ".join(record.get("gpus") or []) or None,
        }
        for place, record in known.items()
    ]


SAME = ("same_host", "same_gpus")
HOSTS_DIFFER = "measured on different hosts, whose speed may differ"
GPUS_DIFFER = "measured on different GPUs of one host, whose speed may differ"


def same_place(places: Sequence[Place]) -> dict[str, bool | None]:
    """Whether all were measured on one host, and on the same GPUs; None if one of them is unknown or has none."""
    return {name: _same(values) for name, values in zip(SAME, zip(*places, strict=True), strict=True)}


def _same(values: Sequence[str | None]) -> bool | None:
    return None if None in values else len(set(values)) == 1


def apart(same: Mapping[str, bool | None]) -> str | None:
    """What the columns of `same_place` say against a ratio, in words."""
    if same["same_host"] is False:
        return HOSTS_DIFFER
    return GPUS_DIFFER if same["same_gpus"] is False else None
