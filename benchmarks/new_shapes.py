"""Whether a decoding step costs more on a shape that its process meets for the first time: from a finished run's files.

    python benchmarks/new_shapes.py results/runs/smollm2-135m/hf-batch/mixed/base [more run folders]

A shape is the rows of a batch and the width of its cache. Kernels that plan for each shape make the first step on it
slow, and a growing cache has a new one in every step. Prints, for each run of an engine of padded batches, the median
milliseconds of decoding steps on new shapes and on shapes met before, over all passes of the process.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import pandas as pd

from kvbench.errors import UserError
from kvbench.files import read_json, read_parquet

COLUMNS = ["t_ns", "scheduled_tokens", "allocated"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders with run.json and kv.parquet")
    for folder in parser.parse_args().runs:
        try:
            print(json.dumps({"run": str(folder), **summary(folder)}))
        except UserError as error:
            sys.exit(str(error))


def summary(folder: Path) -> dict[str, Any]:
    """Number of decoding steps on new shapes and on known ones, and the median milliseconds of each."""
    record = read_json(folder / "run.json")
    if not record.get("batches"):
        raise UserError(f"{folder}: {record['engine']} serves no padded batches; name a run of another engine")
    kv = read_parquet(folder / "kv.parquet", COLUMNS).to_pandas()
    steps = pd.DataFrame(decode_steps(record, kv[kv["scheduled_tokens"] > 0]), columns=["new", "ms"])
    found: dict[str, Any] = {}
    for new, ms in steps.groupby("new")["ms"]:
        name = "new" if new else "known"
        found |= {f"steps_on_{name}_shapes": len(ms), f"ms_on_{name}_shapes": round(float(ms.median()), 2)}
    return found


def decode_steps(record: Mapping[str, Any], kv: pd.DataFrame) -> Iterator[tuple[bool, float]]:
    """Each step after a batch's first: whether no batch before had its rows and cache width, and its milliseconds."""
    met: set[tuple[int, int]] = set()
    for batch in sorted(record["batches"], key=lambda b: b["start_ns"]):
        inside = kv[kv["t_ns"].between(batch["start_ns"], batch["end_ns"])].sort_values("t_ns")
        times, slots = inside["t_ns"].to_numpy(), inside["allocated"].to_numpy()
        for before, now, width in zip(times[:-1], times[1:], slots[1:] // batch["rows"], strict=True):
            shape = (batch["rows"], int(width))
            yield shape not in met, (now - before) / 1e6
            met.add(shape)


if __name__ == "__main__":
    main()
