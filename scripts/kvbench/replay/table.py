"""results/tables/replays.csv: a row per scenario and policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.files import read_table
from kvbench.replay.result import PARTS
from kvbench.workload.selection import COUNTS

GIVEN = ("pool_slots", "max_length", "block_size", "allocator", "max_running", "max_step_tokens", "prefix_sharing")
# States of a slot in the region: allocated (one of the parts), or free while a request is refused. A scenario has one
# group of full attention, in which nothing expires.
REGION = (*(part for part in PARTS if part != "expired"), "external", "blocked")


def table(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The columns of docs/tables.md, from the contents of replay.json files and in their order."""
    rows = pd.DataFrame([row(one, policy) for one in records for policy in one["settings"]["policies"]])
    return rows.astype(dict.fromkeys((*COUNTS, "prefix_hit_tokens"), "Int64"))  # integers even if some cells are empty


def rows_of(path: str | Path, scenario: str) -> pd.DataFrame:
    """A scenario's rows of replays.csv."""
    found = read_table(path)
    return found[found["scenario"] == scenario].reset_index(drop=True)


def row(one: Mapping[str, Any], policy: str) -> dict[str, Any]:
    """The row of one policy of a scenario."""
    own, found = one["settings"], one["policies"][policy]
    totals, window = found["totals"], found["window"]
    timed = "step_time" in own
    return {
        "scenario": one["scenario"],
        "workload": own.get("workload") or Path(own["file"]).name,
        "trace": own.get("trace") or own.get("workload"),
        "requests": one["requests"]["count"],
        **{name: (one["requests"]["file"] or {}).get(name) for name in COUNTS},
        "requests_per_s": own.get("requests_per_s"),
        "last_arrival_s": one["requests"]["last_arrival_s"],
        **{name: own[name] for name in GIVEN},
        "policy": policy,
        "window": window["kind"],
        "window_steps": window["steps"],
        "running_mean_requests": _over(window["sums"]["running"], window["steps"]),
        "running_peak_requests": totals["max_running"],
        **shares(window, own["pool_slots"]),
        "alone_live_share_of_allocated": found["alone_live_share_of_allocated"],
        "steps": totals["steps"],
        "preemptions": totals["preemptions"],
        "prefix_hit_tokens": totals["prefix_hit_tokens"] if own["prefix_sharing"] and policy == "paged" else None,
        "simulated_s": totals["end_ns"] / 1e9 if timed else None,
        "step_time_source": own["step_time"]["source"] if timed else None,
    }


def shares(window: Mapping[str, Any], pool_slots: int) -> dict[str, float | None]:
    """Shares over a window's steps.

    The region consists of allocated slots and of slots that are free while a request is refused for memory: `external`
    if enough slots are free but not contiguous, `blocked` otherwise. Slots free while no request is refused are idle,
    not waste.
    """
    sums = window["sums"]
    allocated = sum(sums[part] for part in PARTS)
    slots = {**sums, "blocked": sums["unused_when_refused"] - sums["external"]}
    region = allocated + sums["unused_when_refused"]
    return {
        **{f"{name}_share_of_region": _over(slots[name], region) for name in REGION},
        "live_share_of_allocated": _over(sums["live"], allocated),
        "live_share_of_allocated_and_external": _over(sums["live"], allocated + sums["external"]),
        "idle_share_of_pool": _over(sums["unused"] - sums["unused_when_refused"], window["steps"] * pool_slots),
        "refused_steps_share": _over(sums["refused"], window["steps"]),
    }


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole else None
