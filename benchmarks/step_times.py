"""Times of decode steps in finished runs, by number of running requests and by whether the shape was new.

    python benchmarks/step_times.py results/runs/smollm2-135m/hf-batch/mixed/base [more run folders]

Prints one line per run: median milliseconds of timed decode steps by number of running requests. For engines with
padded batches, also the medians over all passes of steps whose shape (rows of the batch, width of its cache) was new
to the process, and of all other steps: kernels that build a plan for each shape make new shapes slow, and a growing
cache has a new one in every step.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from common import run

from kvbench.analysis.results import load_runs
from kvbench.analysis.tables.roofline import KV, decode_steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders with run.json and kv.parquet")
    for folder in parser.parse_args().runs:
        print(json.dumps({"run": str(folder), **summary(folder)}))


def summary(folder: Path) -> dict[str, Any]:
    """`ms_by_running`, and for padded batches steps and milliseconds on new and on known shapes."""
    [one] = load_runs([folder / "run.json"])
    kv = one.frame("kv", [*KV, "allocated"])
    timed = decode_steps(kv[kv["repeat"].isin(one.timed_numbers())], one.schedules_ahead)
    by_running = 1e3 * timed.groupby("running")["seconds"].median()
    found: dict[str, Any] = {"ms_by_running": {int(n): round(float(ms), 2) for n, ms in by_running.items()}}
    shapes = pd.DataFrame(by_shape(one.record, kv[kv["scheduled_tokens"] > 0]), columns=["new", "ms"])
    for new, ms in shapes.groupby("new")["ms"]:
        name = "new" if new else "known"
        found |= {f"steps_on_{name}_shapes": len(ms), f"ms_on_{name}_shapes": round(float(ms.median()), 2)}
    return found


def by_shape(record: Mapping[str, Any], kv: pd.DataFrame) -> Iterator[tuple[bool, float]]:
    """For each step after a batch's first: whether its rows and cache width are new, and its milliseconds."""
    met: set[tuple[int, int]] = set()
    for batch in sorted(record.get("batches") or [], key=lambda b: b["start_ns"]):
        inside = kv[kv["t_ns"].between(batch["start_ns"], batch["end_ns"])].sort_values("t_ns")
        times, slots = inside["t_ns"].to_numpy(), inside["allocated"].to_numpy()
        for before, now, width in zip(times[:-1], times[1:], slots[1:] // batch["rows"], strict=True):
            shape = (batch["rows"], int(width))
            yield shape not in met, (now - before) / 1e6
            met.add(shape)


if __name__ == "__main__":
    run(main)
