"""The upkeep of block tables in vLLM: its share of a step's time, by number of running requests.

A step lasts from its sample, which is taken when it has been scheduled, to the sample of the next. In between the
workers build its block tables and run it; then the blocks of requests that have ended are freed and those of the next
step allocated. So the time of a step's tables is in its own row, and that of the blocks in the next one, as is the time
of our recording, which is taken off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from kvbench.analysis.results import Run
from kvbench.files import parquet_columns, read_batches
from kvbench.records import UPKEEP

KV = ("repeat", "step", "t_ns", "running", "scheduled_tokens", *UPKEEP)
ALL = "all"
COLUMNS = (
    *("model", "workload", "engine", "point", "device", "async_scheduling", "block_size", "running_requests", "steps"),
    *("running_mean_requests", "step_s_median", "step_s_q1", "step_s_q3"),
    *("allocate_share_of_step", "tables_share_of_step", "upkeep_share_of_step"),
    *("allocate_s_median", "tables_s_median", "allocate_s_per_request_median", "tables_s_per_request_median"),
)


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """For each run in which upkeep was timed: a row for all steps, then one per bin of running requests."""
    return pd.DataFrame([row for run in runs for row in _rows(run)], columns=list(COLUMNS))


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    overlaps = run.record["settings"]["in_force"].get("async_scheduling")
    found = [_of_process(one, bool(overlaps)) for one in run.processes]
    steps = pd.concat(found, ignore_index=True)
    if steps.empty:
        return
    names = {"device": run.record["device"], "async_scheduling": overlaps, "block_size": run.record["block_size"]}
    bins = np.ceil(np.log2(steps["running"])).astype(int)
    for label, rows in [(ALL, steps), *((bin_label(n), rows) for n, rows in steps.groupby(bins))]:
        yield {**run.names, **names, "running_requests": label, **_values(rows)}


def bin_label(power: int) -> str:
    """The running requests of a bin that ends at 2 ** power: `1`, `2`, `3-4`, `5-8`, …"""
    most = 1 << power
    return str(most) if most <= 2 else f"{most // 2 + 1}-{most}"


def _of_process(run: Run, overlaps: bool) -> pd.DataFrame:
    rows = pa.Table.from_batches(_timed_rows(run), pa.schema([(name, pa.int64()) for name in KV])).to_pandas()
    read = run.frame("blocks", ["repeat", "step"])[["repeat", "step"]] if overlaps else None
    return steps_of(rows, read)


def _timed_rows(run: Run) -> Iterator[pa.RecordBatch]:
    """The rows of kv.parquet whose upkeep is known, a batch at a time; none in older files without it."""
    path = run.folder / "kv.parquet"
    if not set(KV) <= set(parquet_columns(path)):
        return
    for batch in read_batches(path, KV):
        known = batch.filter(batch["tables_ns"].is_valid())
        if known.num_rows:
            yield known.cast(pa.schema([(name, pa.int64()) for name in KV]))


def steps_of(rows: pd.DataFrame, read: pd.DataFrame | None = None) -> pd.DataFrame:
    """The steps between two samples that both schedule tokens, with their times in seconds.

    `rows` has the columns KV, in order. `read` has repeat and step of the samples that read block ids, where the host
    works ahead of the device: reading them is then hidden at times and cannot be taken off, so that these are left out.
    On CUDA the upkeep has a pass of its own, which reads none.
    """
    then = rows.shift(-1)
    inside = (then["repeat"] == rows["repeat"]) & (rows["running"] > 0)
    inside &= (rows["scheduled_tokens"] > 0) & (then["scheduled_tokens"] > 0)
    if read is not None:
        reads = pd.MultiIndex.from_frame(read.drop_duplicates())
        inside &= ~pd.MultiIndex.from_frame(then[["repeat", "step"]]).isin(reads)
    return pd.DataFrame(
        {
            "running": rows["running"],
            "step": (then["t_ns"] - rows["t_ns"] - then["recording_ns"]) / 1e9,
            "allocate": then["allocate_ns"] / 1e9,
            "tables": rows["tables_ns"] / 1e9,
        }
    )[inside]


def _values(steps: pd.DataFrame) -> dict[str, Any]:
    low, middle, high = steps["step"].quantile([0.25, 0.5, 0.75])
    share = {name: steps[name].sum() / steps["step"].sum() for name in ("allocate", "tables")}
    return {
        "steps": len(steps),
        "running_mean_requests": steps["running"].mean(),
        "step_s_median": middle,
        "step_s_q1": low,
        "step_s_q3": high,
        **{f"{name}_share_of_step": value for name, value in share.items()},
        "upkeep_share_of_step": sum(share.values()),
        **{f"{name}_s_median": steps[name].median() for name in share},
        **{f"{name}_s_per_request_median": (steps[name] / steps["running"]).median() for name in share},
    }
