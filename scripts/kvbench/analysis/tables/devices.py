"""Memory and power by device: the peak memory of each GPU of a run, or of the host if there is no GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run

COLUMNS = (
    *("model", "workload", "engine", "point", "gpu", "samples", "device_total_bytes", "device_used_peak_bytes"),
    *("process_peak_bytes", "process_bytes_from", "power_mean_w"),
)


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run and GPU, from the samples of all processes during timed repeats.

    `gpu` is NVML's number, empty for a host.
    """
    frame = pd.DataFrame([row for run in runs for row in _rows(run)], columns=list(COLUMNS))
    whole = ("gpu", "samples", *(name for name in COLUMNS if name.endswith("_bytes")))
    return frame.astype(dict.fromkeys(whole, "Int64"))


def _rows(run: Run) -> list[dict[str, Any]]:
    samples = run.frame("device")
    samples = samples[samples["phase"].astype(str).str.startswith("repeat-")]
    host = run.record["device"] == "cpu"
    if not host:
        samples = samples[samples["gpu"].notna()]
    return [_row(run, gpu, rows, host=host) for gpu, rows in samples.groupby("gpu", dropna=False, sort=True)]


def _row(run: Run, gpu: float, samples: pd.DataFrame, *, host: bool) -> dict[str, Any]:
    return {
        **run.names,
        "gpu": None if pd.isna(gpu) else int(gpu),
        "samples": len(samples),
        "device_total_bytes": _peak(samples["device_total_bytes"]),
        "device_used_peak_bytes": _peak(samples["device_used_bytes"]),
        "process_peak_bytes": _peak(samples["host_rss_bytes" if host else "process_bytes"]),
        "process_bytes_from": "resident set" if host else "NVML",
        "power_mean_w": None if samples["power_w"].isna().all() else samples["power_w"].mean(),
    }


def _peak(values: pd.Series) -> int | None:
    return None if values.isna().all() else int(values.max())
