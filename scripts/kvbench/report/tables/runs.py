"""Tables of what was run: the settings of each run, the lengths of the workloads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.report.cells import mib, text
from kvbench.report.machine import several_gpus


def run_settings(runs: Sequence[Run]) -> pd.DataFrame:
    """The settings of each run, and how long loading took."""
    rows, several = [], several_gpus(runs)
    for run in runs:
        record, capacity, timing = run.record, run.record["capacity"], _median_times(run)
        gpus = {"GPU": _once(place.gpu_ids for place in run.places)} if several else {}
        rows.append(
            {
                "model": run.model,
                "workload": run.workload,
                "engine": run.label,
                "device": record["device"],
                "GPUs": record.get("gpus"),
                "dtype": record["dtype"],
                "threads": record["threads"],
                "processes": len(run.processes),
                "host": _once(place.host for place in run.places),
                **gpus,
                "temperature": run.temperature,
                "maximum length (tokens)": record["max_length"],
                "KV budget (MiB)": mib(capacity["budget_bytes"]),
                "largest pool (MiB)": mib(capacity["pool_bytes"]),
                "block (tokens)": record["block_size"],
                "import (s)": timing["import_s"],
                "load (s)": timing["load_s"],
                "compile (s)": timing["compile_s"],
                "warm-up (s)": timing["warmup_s"],
            }
        )
    return text(pd.DataFrame(rows))


def _once(ids: Iterable[str | None]) -> str | None:
    return ", ".join(dict.fromkeys(filter(None, ids))) or None


def _median_times(run: Run) -> dict[str, float]:
    """Medians over the run's processes of the times before the first repeat, in seconds."""
    return pd.DataFrame([one.record["timing"] for one in run.processes]).astype(float).median().to_dict()


def workloads_view(table: pd.DataFrame) -> pd.DataFrame:
    """Means and percentiles of lengths in tokens; for a user's file also how many requests it has and were left out."""
    percentiles = {name.removesuffix("_tokens"): table[name] for name in table if name.startswith("p")}
    left_out = {
        "requests in the file": table.get("requests_in_file"),
        "left out, too long": table.get("skipped_too_long"),
        "left out, bad turns": table.get("skipped_bad_turns"),
    }
    shown = {"tokens of": table["quantity"], "n": table["n"], **left_out, "mean": table["mean_tokens"], **percentiles}
    return text(pd.DataFrame(shown))
