"""The use of allocated KV cache slots by KV group, summed over every step of the timed repeats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kvbench.analysis.results import Run
from kvbench.analysis.tables.timed_steps import timed_steps
from kvbench.kv.groups import LayerGroup
from kvbench.records import SPLIT

COUNTS = ("allocated", *SPLIT)
COLUMNS = (
    *("model", "workload", "engine", "point", "scope", "kind", "window_tokens", "layers", "token_bytes", "steps"),
    *("allocated_mean_bytes", "share_of_allocated_of_all_groups"),
    *(f"{name}_share_of_allocated" for name in SPLIT),
)


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run and KV group, of models with more than one, from timed repeats as in `kv_waste`.

    Runs that share blocks have none: to which group a shared block belongs is not known at every step.
    """
    rows = [row for run in runs if run.timed() and len(run.record.get("groups", ())) > 1 for row in _rows(run)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(run: Run) -> list[dict[str, Any]]:
    scope = "all" if run.timed("all") else "sequential"
    sums: dict[tuple[str, int | None], dict[str, int]] = {}
    steps = 0
    for one in run.processes:
        steps += _add(one.folder / "kv.parquet", one.timed_numbers(scope), sums)
    whole = sum(found["allocated"] for found in sums.values())
    groups = [LayerGroup.of(group) for group in run.record["groups"]]
    itemsize = run.record["token_bytes"] / sum(group.token_elements for group in groups)
    return [
        {
            **run.names,
            "scope": scope,
            "kind": group.kind,
            "window_tokens": group.window,
            "layers": group.layers,
            "token_bytes": round(group.token_elements * itemsize),
            "steps": steps,
            "allocated_mean_bytes": found["allocated"] / max(steps, 1) * run.record["slot_bytes"],
            "share_of_allocated_of_all_groups": _over(found["allocated"], whole),
            **{f"{name}_share_of_allocated": _over(found[name], found["allocated"]) for name in SPLIT},
        }
        for group in groups
        if (found := sums.get((group.kind, group.window))) is not None
    ]


def _add(path: Path, repeats: Sequence[int], sums: dict[tuple[str, int | None], dict[str, int]]) -> int:
    """Add the slots of each group in the steps of `repeats` in which a request runs; the number of these steps."""
    steps = 0
    for rows in timed_steps(path, repeats, ["groups"]):
        steps += rows.num_rows
        entries = pa.Table.from_struct_array(pc.list_flatten(rows["groups"]))
        grouped = entries.group_by(["kind", "window"]).aggregate([(name, "sum") for name in COUNTS])
        for found in grouped.to_pylist():
            own = sums.setdefault((found["kind"], found["window"]), dict.fromkeys(COUNTS, 0))
            for name in COUNTS:
                own[name] += found[f"{name}_sum"]
    return steps


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole else None
