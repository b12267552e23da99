"""One row per timed repeat: the samples from which claims and comparisons take medians and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from kvbench.analysis.results import SCOPES, Run
from kvbench.analysis.statistics import busy_share
from kvbench.analysis.tables.latency import samples
from kvbench.analysis.tables.reuse import preemption_facts, sharing_facts
from kvbench.analysis.tables.throughput import disturbances, energies, rates
from kvbench.records import SPLIT

WORK = ("requests", "prompt_tokens", "output_tokens")
LATENCIES = ("time_to_first_token", "time_per_output_token", "end_to_end")
STEP_COLUMNS = (
    *("t_ns", "repeat", "running", "waiting", "scheduled_tokens", "prefix_hit_tokens"),
    *("pool", "unshared", "allocated", *SPLIT),
)


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run and timed repeat; cells of unknown values are empty."""
    return pd.DataFrame([row for run in runs for row in _of_run(run)])


def steps_of(run: Run) -> pd.DataFrame:
    """STEP_COLUMNS of kv.parquet and `process`, in slots, for steps in which a request runs.

    The idle row at the end of each repeat is left out.
    """
    steps = run.frame("kv", list(STEP_COLUMNS))
    return steps[steps["running"] > 0]


def _of_run(run: Run) -> list[dict[str, Any]]:
    """The rows of all processes; disturbed repeats are flagged by comparison with all of them."""
    flags: dict[tuple[int, int], bool | None] = {}
    for scope in SCOPES:
        numbers = [(repeat["process"], repeat["repeat"]) for repeat in run.timed(scope)]
        flags |= dict(zip(numbers, disturbances(run, scope), strict=True))
    rows = [row for one in run.processes for row in _rows(one)]
    return [{**row, "disturbed": flags[row["process"], row["repeat"]]} for row in rows]


def _rows(run: Run) -> list[dict[str, Any]]:
    repeats = run.timed()
    if not repeats:
        return []
    steps, requests = steps_of(run), run.requests
    of = {
        number: (steps[steps["repeat"] == number], requests[requests["repeat"] == number])
        for number in run.timed_numbers()
    }
    return [_row(run, repeat, *of[repeat["repeat"]]) for repeat in repeats]


def _row(run: Run, repeat: dict[str, Any], steps: pd.DataFrame, requests: pd.DataFrame) -> dict[str, Any]:
    tokens = repeat["output_tokens"]
    row = {**run.names, "scope": repeat["scope"], **{key: repeat[key] for key in ("process", "repeat", *WORK)}}
    row["wall_s"] = repeat["wall_s"]
    row["busy_share"] = busy_share(repeat, run.record["device"], run.record["threads"])
    row |= {**rates(repeat), "device_s_per_output_token": repeat["wall_s"] / tokens}
    row |= energies(repeat)
    row |= {f"{name}_median_s": samples(requests)[name].median() for name in LATENCIES}
    row["steps_waiting_for_blocks_share"] = for_blocks(run, steps)
    row |= slot_facts(steps, run.record["max_length"], run.record["slot_bytes"])
    external_bytes = run.record["memory"].get("external_fragmentation_bytes")
    row["live_share_of_allocated_and_external"] = _with_external(steps, run.record["slot_bytes"], external_bytes)
    row["peak_allocated_prompt_rank_correlation"] = peak_correlation(steps, requests, repeat["start_ns"])
    row["preemptions"] = repeat["preemptions"]
    if run.record["block_size"] is not None:
        row |= preemption_facts(steps, requests, repeat["preemptions"]) | sharing_facts(steps, requests)
    return row


def slot_facts(steps: pd.DataFrame, max_length: int, slot_bytes: int) -> dict[str, float | None]:
    """Facts about slots from one repeat's steps (`steps_of`); means are over steps, shares are sums over sums.

    `allocated_share_of_reservation` is Σ allocated over Σ running requests × `max_length` slots;
    `*_variation_over_steps` is the standard deviation over the mean.
    """
    allocated, pool = steps["allocated"], steps["pool"]
    total = allocated.sum()
    return {
        "steps": len(steps),
        "steps_waiting_share": (steps["waiting"] > 0).mean(),
        "running_mean_requests": steps["running"].mean(),
        "running_peak_requests": steps["running"].max(),
        **{f"{name}_share_of_allocated": _over(steps[name].sum(), total) for name in SPLIT},
        "waste_share_of_allocated": _over(total - steps["live"].sum(), total),
        "allocated_share_of_reservation": _over(total, steps["running"].sum() * max_length),
        "allocated_variation_over_steps": _over(allocated.std(ddof=0), allocated.mean()),
        "pool_variation_over_steps": _over(pool.std(ddof=0), pool.mean()),
        "pool_mean_over_peak": _over(pool.mean(), pool.max()),
        "allocated_peak_bytes": allocated.max() * slot_bytes,
        "pool_peak_bytes": pool.max() * slot_bytes,
    }


def for_blocks(run: Run, steps: pd.DataFrame) -> float | None:
    """Share of `steps` in which a request waited though vLLM could have scheduled it but for blocks.

    That is: a request waits, fewer than `max_num_seqs` run, fewer than `max_num_batched_tokens` tokens were scheduled,
    and the free slots cannot hold a request of the maximum length. None for engines without blocks, and if run.json
    lacks the limits in force.
    """
    in_force = run.record["settings"].get("in_force") or {}
    seqs, tokens = in_force.get("max_num_seqs"), in_force.get("max_num_batched_tokens")
    if not run.engine.startswith("vllm") or not seqs or not tokens:
        return None
    waits = (steps["waiting"] > 0) & (steps["running"] < seqs) & (steps["scheduled_tokens"] < tokens)
    return float((waits & (steps["pool"] - steps["allocated"] < run.record["max_length"])).mean())


def peak_correlation(steps: pd.DataFrame, requests: pd.DataFrame, start_ns: int) -> float | None:
    """Spearman's correlation of requests' prompt lengths with the peak number of slots allocated while each was served.

    None for fewer than 3 requests or if one of the two is constant.
    """
    begins, ends = (start_ns + (requests[name] * 1e9).to_numpy() for name in ("start_s", "finish_s"))
    t_ns, allocated = steps["t_ns"].to_numpy(), steps["allocated"].to_numpy()
    peaks = [_peak(allocated[(t_ns >= begin) & (t_ns < end)]) for begin, end in zip(begins, ends, strict=True)]
    pairs = pd.DataFrame({"prompt": requests["prompt_tokens"].to_numpy(), "peak": peaks}).dropna().rank()
    if len(pairs) < 3 or (pairs.nunique() < 2).any():
        return None
    return float(np.corrcoef(pairs["prompt"], pairs["peak"])[0, 1])


def _peak(allocated: np.ndarray) -> float:
    return float(allocated.max()) if len(allocated) else np.nan


def _with_external(steps: pd.DataFrame, slot_bytes: int, external_bytes: int | None) -> float | None:
    if external_bytes is None:
        return None
    whole_bytes = steps["allocated"].sum() * slot_bytes + len(steps) * external_bytes
    return _over(steps["live"].sum() * slot_bytes, whole_bytes)


def _over(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
