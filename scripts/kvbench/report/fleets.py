"""The fleets of a scenario: how many replicas its requests need, and what each number of replicas came to."""

from __future__ import annotations

import pandas as pd

from kvbench.report.cells import NONE, text

NOT_FOUND = "more than were tried"


def needed(rows: pd.DataFrame) -> pd.DataFrame:
    """The answer by policy and router, from a scenario's rows of fleets.csv; no rows without a search."""
    searched = rows[rows["fewest"].notna()]
    names = ["policy", "router"]
    found = [_needed(*which, own) for which, own in searched.groupby(names, sort=False)]
    return pd.DataFrame(found, columns=[*names, "replicas", "cards", "replicas by Little's law", "within the SLO (%)"])


def _needed(policy: str, router: str, rows: pd.DataFrame) -> list[str]:
    chosen = rows[rows["fewest"].eq(True)].astype(object)
    divided = rows["division_replicas"].iloc[0]
    law = f"{int(divided):,}" if pd.notna(divided) else NONE
    if chosen.empty:
        return [policy, router, f"{NOT_FOUND} ({rows['replicas'].max():,})", NONE, law, NONE]
    one = chosen.iloc[0]
    return [policy, router, f"{one['replicas']:,}", f"{one['cards']:,}", law, f"{100 * one['attainment_share']:.3g}"]


def view(rows: pd.DataFrame) -> pd.DataFrame:
    """Every fleet that was replayed; columns without any value are left out."""
    return text(
        pd.DataFrame(
            {
                "policy": rows["policy"],
                "router": rows["router"],
                "replicas": rows["replicas"],
                "within the SLO (%)": 100 * rows["attainment_share"],
                "goodput (requests/s)": rows["goodput_per_s"],
                "TTFT p50 (s)": rows["ttft_median_s"],
                "TTFT p99 (s)": rows["ttft_p99_s"],
                "TPOT p99 (s)": rows["tpot_p99_s"],
                "end to end p99 (s)": rows["e2e_p99_s"],
                "requests of a replica, least": rows["replica_least_requests"],
                "most": rows["replica_most_requests"],
                "running at once": rows["running_mean_requests"],
                "preemptions": rows["preemptions"],
                "found again by sharing (tokens)": rows["prefix_hit_tokens"],
            }
        )
    )


def limits(rows: pd.DataFrame) -> str:
    """The limits, and the arrivals that have to keep them."""
    first = rows.iloc[0]
    return (
        f"{first['requests']:,} requests arriving at {first['offered_per_s']:.3g} a second; at least "
        f"{100 * first['slo_share']:g}% of them within {first['slo_ttft_s']:g} s to the first token and "
        f"{first['slo_tpot_s']:g} s for each further token; time of a step: {first['step_time_source']}."
    )
