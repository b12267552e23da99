"""Which host measured which run, where the runs of a results folder may come from several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run

COLUMNS = (
    *("model", "workload", "engine", "point", "host", "n_processes"),
    *("cpu", "cpus", "cpus_usable", "gpus", "driver"),
)


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run and host; runs made before hosts were recorded have no row."""
    rows = [row for run in runs for row in _rows(run)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"cpus": "Int64", "cpus_usable": "Int64"})


def _rows(run: Run) -> list[dict[str, Any]]:
    known = {one.host: one.record["host"] for one in run.processes if one.host}
    counts = Counter(run.hosts)
    return [
        {
            **run.names,
            "host": host,
            "n_processes": counts[host],
            **{name: record.get(name) for name in ("cpu", "cpus", "cpus_usable", "driver")},
            "gpus": ", ".join(record.get("gpus") or []) or None,
        }
        for host, record in known.items()
    ]


HOSTS_DIFFER = "measured on different hosts, whose speed may differ"


def same_host(hosts: Sequence[str | None]) -> bool | None:
    """Whether all were measured on one host; None if one of the hosts is unknown."""
    return None if None in hosts else len(set(hosts)) == 1
