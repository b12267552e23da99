"""Rate and latency of runs whose requests arrive over time: a row per engine and rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from kvbench.analysis.arriving import Served, repeats_of
from kvbench.analysis.results import Run
from kvbench.analysis.saturation import growth_of
from kvbench.analysis.statistics import known_columns, quantile
from kvbench.records import TIME_PARTS
from kvbench.workload.latencies import Latencies, within

LATE_S = 0.005  # p99 of the client's lateness above which a point says so
AVERAGED = ("normalized_s_per_token", "ttft_s", "tpot_s", "e2e_s")
TAILS = ("ttft_s", "tpot_s", "itl_s", "e2e_s")


def table(runs: Sequence[Run], slo: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """A row per run with arrivals; `slo` has `ttft_s`, `tpot_s` and `share`.

    Medians are over repeats of a repeat's mean (normalized latency) or median (the others); p90 and p99 are over all
    requests. Where more arrives than is served, latencies only say how long the run was, so a saturated point has none.
    """
    rows = [_row(run, slo, seed) for run in runs if run.arrives]
    return pd.DataFrame(rows).reindex(columns=columns())


def columns() -> list[str]:
    """The columns, which a table without rows has too."""
    parts = ("median", "ci95_low", "ci95_high", "min", "max")
    summed = (*AVERAGED, "attainment_share", "goodput_per_s", "completed_per_s")
    return [
        *("model", "workload", "engine", "point", "requests_per_s", "burstiness", "n_repeats", "n_processes"),
        *("requests", "counted_requests", "offered_per_s", "saturated", "growth_per_arrival", "growth_ci95_low"),
        *("growth_ci95_high", "filling_per_arrival", "lateness_p99_s", "late"),
        *(f"{name}_{part}" for name in summed for part in parts),
        *(f"{name}_{tail}" for name in TAILS for tail in ("p90", "p99")),
        *(f"{name.removesuffix('_ns')}_share_of_time" for name in TIME_PARTS),
        *("slo_ttft_s", "slo_tpot_s", "slo_share"),
    ]


def _row(run: Run, slo: Mapping[str, Any], seed: int) -> dict[str, Any]:
    served, given = repeats_of(run), run.record["settings"]["given"]
    row = {
        **run.names,
        "requests_per_s": None if given["requests_per_s"] == "file" else given["requests_per_s"],
        "burstiness": None if given["requests_per_s"] == "file" else given["burstiness"],
        "n_repeats": len(served),
        "n_processes": len(run.processes),
        **{f"slo_{name}": slo[name] for name in ("ttft_s", "tpot_s", "share")},
    }
    if not served:
        return row
    row |= _load(served) | _time_shares(served)
    kept = [within(one.latencies, slo["ttft_s"], slo["tpot_s"]) for one in served]
    each = {
        "attainment_share": [float(ok.mean()) for ok in kept],
        "completed_per_s": [one.completed_per_s for one in served],
        "goodput_per_s": [ok.mean() * one.completed_per_s for ok, one in zip(kept, served, strict=True)],
    }
    if not row["saturated"]:
        each |= {name: [_typical(one.latencies, name) for one in served] for name in AVERAGED}
        row |= _tails(served)
    processes = [one.process for one in served]
    return row | {
        k: v for name, values in each.items() for k, v in known_columns(name, values, seed, processes).items()
    }


def _load(served: Sequence[Served]) -> dict[str, Any]:
    """What arrived, how late it was submitted, and whether it was more than the engine served."""
    grown = growth_of(one.requests for one in served)
    late = np.concatenate([(one.requests["submitted_s"] - one.requests["due_s"]).to_numpy() for one in served])
    spans = [one.requests["due_s"].max() - one.requests["due_s"].min() for one in served]
    gaps = sum(len(one.requests) - 1 for one in served)
    return {
        "requests": int(np.median([len(one.requests) for one in served])),
        "counted_requests": sum(len(one.counted) for one in served),
        "offered_per_s": gaps / sum(spans) if sum(spans) else None,
        "saturated": grown.saturated,
        "growth_per_arrival": grown.value,
        "growth_ci95_low": grown.low,
        "growth_ci95_high": grown.high,
        "filling_per_arrival": grown.filling,
        "lateness_p99_s": float(np.quantile(late, 0.99)),
        "late": bool(np.quantile(late, 0.99) > LATE_S),
    }


def _typical(found: Latencies, name: str) -> float | None:
    """A repeat's mean normalized latency, or its median of another; None if no request has one."""
    if name == "normalized_s_per_token":
        return float(found.normalized_s.mean())
    values = getattr(found, name)
    return float(np.nanmedian(values)) if np.isfinite(values).any() else None


def _tails(served: Sequence[Served]) -> dict[str, float | None]:
    """p90 and p99 over the requests of all repeats; of inter-token latencies over all gaps between tokens."""
    found: dict[str, float | None] = {}
    for name in TAILS:
        values = _gaps(served) if name == "itl_s" else np.concatenate([getattr(o.latencies, name) for o in served])
        values = values[np.isfinite(values)]
        found |= {f"{name}_p90": quantile(values, 0.9), f"{name}_p99": quantile(values, 0.99)}
    return found


def _gaps(served: Sequence[Served]) -> np.ndarray:
    """Seconds between the tokens of each counted request; none where only the last token's time is known."""
    lists = [tokens for one in served for tokens in one.counted["token_s"] if tokens is not None]
    return np.concatenate([np.diff(tokens) for tokens in lists]) if lists else np.zeros(0)


def _time_shares(served: Sequence[Served]) -> dict[str, float | None]:
    """What the time of all counted requests was spent on, as shares of it."""
    counted = pd.concat([one.counted for one in served])
    sums = counted[list(TIME_PARTS)].sum(min_count=1)
    whole = sums.sum()
    return {f"{name.removesuffix('_ns')}_share_of_time": sums[name] / whole if whole else None for name in TIME_PARTS}
