"""results/tables/planned.csv: what vLLM was planned to make of its memory beside what it logged at its start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.capacity.engine_plan import EnginePlan, engine_plan
from kvbench.kv.groups import LayerGroup, slot_elements, vllm_paging
from kvbench.model.slots import cache_itemsize

COMPARED = {  # by the name in the table: of the plan, and as vLLM reports it
    "blocks": ("blocks", "num_gpu_blocks"),
    "kv_tokens": ("size_tokens", "kv_cache_size_tokens"),
    "max_concurrency": ("max_concurrency", "kv_cache_max_concurrency"),
}
NEEDED = ("max_model_len", "block_size", "max_num_batched_tokens", *(key for _, key in COMPARED.values()))
CLOSE = 1e-9  # relative, for the quotient of two whole numbers
# vLLM's arguments that change its memory behind the plan.
OWN_MEMORY = ("num_gpu_blocks_override", "kv_cache_memory_bytes", "kv_cache_dtype", "max_model_len")
COLUMNS = (
    *("model", "workload", "engine", "point", "process", "groups", "kv_dtype", "budget_bytes", "left_bytes"),
    *("block_size", "max_length", "max_num_batched_tokens", "async_scheduling"),
    *(f"{name}_{side}" for name in COMPARED for side in ("planned", "logged")),
    *("equal", "reason"),
)


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per process of each run of vLLM; older runs that do not say what vLLM logged are left out."""
    rows = [row(one) for run in runs for one in run.processes if _is_told(one)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _is_told(run: Run) -> bool:
    in_force = run.record["settings"].get("in_force") or {}
    return run.engine.startswith("vllm") and "groups" in run.record and all(in_force.get(name) for name in NEEDED)


def row(run: Run) -> dict[str, Any]:
    """The plan of a process's budget beside what its vLLM had in force, and whether all of it is equal."""
    record, in_force = run.record, run.record["settings"]["in_force"]
    groups = tuple(map(LayerGroup.of, record["groups"]))
    size = cache_itemsize(record["kv_dtype"], record["dtype"])
    block = in_force["block_size"] * vllm_paging(groups).page_units * slot_elements(groups) * size
    budget = record["capacity"]["budget_bytes"]
    plan = _plan(groups, size, budget // block * block + block, run)  # a block more: vLLM's null block
    values = {}
    for name, (planned, logged) in COMPARED.items():
        values |= {f"{name}_planned": getattr(plan, planned), f"{name}_logged": in_force[logged]}
    equal = all(
        abs(values[f"{name}_planned"] - values[f"{name}_logged"]) <= CLOSE * values[f"{name}_logged"]
        for name in COMPARED
    )
    return {
        **run.names,
        "process": run.process,
        "groups": " + ".join(map(_in_words, groups)),
        "kv_dtype": record["kv_dtype"],
        "budget_bytes": budget,
        "left_bytes": budget % block,
        "block_size": in_force["block_size"],
        "max_length": in_force["max_model_len"],
        "max_num_batched_tokens": in_force["max_num_batched_tokens"],
        "async_scheduling": run.schedules_ahead,
        **values,
        "equal": equal,
        "reason": None if equal else _reason(in_force),
    }


def _plan(groups: Sequence[LayerGroup], size: int, budget: int, run: Run) -> EnginePlan:
    in_force = run.record["settings"]["in_force"]
    return engine_plan(
        groups,
        size,
        budget,
        block_size=in_force["block_size"],
        max_length=in_force["max_model_len"],
        max_num_batched_tokens=in_force["max_num_batched_tokens"],
        async_scheduling=run.schedules_ahead,
    )


def _in_words(group: LayerGroup) -> str:
    return f"{group.layers} {group.kind}" + (f" {group.window}" if group.window else "")


def _reason(in_force: dict[str, Any]) -> str:
    """The options of the user that change vLLM's memory; otherwise the plan is wrong."""
    own = [name for name in OWN_MEMORY if name in (in_force.get("options") or {})]
    return f"options {', '.join(own)}" if own else "none known: a defect of the plan"
