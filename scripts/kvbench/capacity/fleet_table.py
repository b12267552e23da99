"""results/tables/fleets.csv: a row per scenario, policy, router and number of replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

TIMES = [f"{name}_{part}_s" for name in ("ttft", "tpot", "e2e") for part in ("median", "p90", "p99")]
SHARES = ("attainment_share", "goodput_per_s", "completed_per_s", "saturated")
LATENCIES = ("normalized_latency_mean_s", *TIMES)  # those of a saturated fleet only say how long the trace is
WHOLE = ("division_replicas", "division_cards", "prefix_hit_tokens")


def table(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The columns of docs/tables.md, from the contents of fleet.json files and in their order."""
    rows = pd.DataFrame([row(record, one) for record in records for one in record["fleets"]])
    return rows.astype(dict.fromkeys(WHOLE, "Int64"))  # integers even if some cells are empty


def row(record: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one fleet."""
    own, slo, each = record["settings"], record["slo"], one["each"]
    divided = record["division"][one["policy"]] or {}
    shares = own["prefix_sharing"] and one["policy"] == "paged"
    steps = [replica["totals"]["steps"] for replica in each]
    return {
        "scenario": record["scenario"],
        "workload": own.get("workload") or Path(own["file"]).name,
        "requests": record["requests"]["count"],
        "requests_per_s": own.get("requests_per_s"),
        "offered_per_s": record["offered_per_s"],
        "pool_slots": own["pool_slots"],
        "slo_ttft_s": slo["ttft_s"],
        "slo_tpot_s": slo["tpot_s"],
        "slo_share": slo["share"],
        "policy": one["policy"],
        "router": one["router"],
        "replicas": one["replicas"],
        "cards": one["replicas"] * own["fleet"]["cards_per_model"],
        "holds_slo": one["holds_slo"],
        "fewest": one["fewest"],
        **{name: one[name] for name in SHARES},
        **{name: None if one["saturated"] else one[name] for name in LATENCIES},
        **_range("requests", [replica["requests"] for replica in each]),
        **_range("output_tokens", [replica["output_tokens"] for replica in each]),
        "running_mean_requests": sum(replica["totals"]["running"] for replica in each) / sum(steps),
        "steps": sum(steps),
        "preemptions": sum(replica["totals"]["preemptions"] for replica in each),
        "prefix_hit_tokens": sum(replica["totals"]["prefix_hit_tokens"] for replica in each) if shares else None,
        "division_replicas": divided.get("groups"),
        "division_cards": divided.get("cards"),
        "step_time_source": own["step_time"]["source"],
    }


def _range(name: str, values: Sequence[int]) -> dict[str, int]:
    """The least and the most of what a replica was sent."""
    return {f"replica_least_{name}": min(values), f"replica_most_{name}": max(values)}
