"""Compares decode steps with the memory-bound part of the roofline of Williams et al. (2009).

A step that decodes one token per request must read the weights and every live slot of the KV cache once; of a mixture
of experts, at least the weights that one token is computed with, since all tokens may go to the same experts. These
bytes over the measured copy bandwidth are a lower bound of its time; the bound over the measured time is
`fraction_of_bound`.
Both are means over all decode steps: where the number of running requests falls, a median step is not the step of mean
bytes.
Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009, doi:10.1145/1498765.1498785.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from kvbench.analysis.copies import copies_of
from kvbench.analysis.results import SCOPES, Run
from kvbench.analysis.statistics import PARTS, summarise

# A device that is idle for more than IDLE_SHARE of the time does not limit a step; a step that reaches at least
# BOUND_SHARE of the bound counts as limited by memory bandwidth.
IDLE_SHARE = 0.5
BOUND_SHARE = 0.5
KV = ("repeat", "t_ns", "running", "scheduled_tokens", "live")
COLUMNS = (
    *("model", "workload", "engine", "point", "scope", "device", "gpus", "requests", "n_repeats", "n_processes"),
    *("decode_steps", "decode_share_of_wall", "running_mean_requests"),
    *("weight_bytes", "live_kv_mean_bytes", "must_move_bytes", "copy_bytes_per_s", "bound_s"),
    *(f"decode_step_s_{part}" for part in PARTS),
    *("fraction_of_bound", "gpu_busy_share", "cpu_busy_share", "power_mean_w", "limited_by"),
)


def table(runs: Sequence[Run], bandwidth: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """A row per run and scope with decode steps. `bandwidth` is bandwidth.json; unknown values stay empty."""
    rows = [_row(run, scope, bandwidth, seed) for run in runs for scope in SCOPES if run.timed(scope)]
    return pd.DataFrame([row for row in rows if row], columns=list(COLUMNS))


def _row(run: Run, scope: str, bandwidth: Mapping[str, Any], seed: int) -> dict[str, Any]:
    repeats = run.timed(scope)
    steps = decode_steps(run.frame("kv", list(KV)), run.schedules_ahead)
    keys = pd.MultiIndex.from_tuples([(r["process"], r["repeat"]) for r in repeats], names=["process", "repeat"])
    steps = steps[pd.MultiIndex.from_frame(steps[["process", "repeat"]]).isin(keys)]
    if steps.empty:
        return {}
    groups = steps.groupby(["process", "repeat"], sort=False)
    means = groups["seconds"].mean()
    weights = weights_of_a_step(run.record)
    live = float(steps["live"].mean()) * run.record["slot_bytes"]
    copy = copy_rate(run, bandwidth)
    moved = None if weights is None else weights + live
    bound_s = None if copy is None or moved is None else moved / copy
    row = {
        **run.names,
        "scope": scope,
        "device": run.record["device"],
        "gpus": run.record.get("gpus"),
        "requests": repeats[0]["requests"],
        "n_repeats": len(means),
        "n_processes": len({r["process"] for r in repeats}),
        "decode_steps": len(steps),
        "decode_share_of_wall": steps["seconds"].sum() / sum(r["wall_s"] for r in repeats),
        "running_mean_requests": steps["running"].mean(),
        "weight_bytes": weights,
        "live_kv_mean_bytes": live,
        "must_move_bytes": moved,
        "copy_bytes_per_s": copy,
        "bound_s": bound_s,
        **summarise(means, seed, list(means.index.get_level_values("process"))).columns("decode_step_s"),
        **_busy(run, scope),
    }
    row["fraction_of_bound"] = None if bound_s is None else bound_s / row["decode_step_s_median"]
    return row | {"limited_by": limited_by(row)}


def decode_steps(kv: pd.DataFrame, ahead: bool) -> pd.DataFrame:
    """Decode steps (one token for every running request) that follow a decode step, with the time of one in `seconds`.

    The time of a row is taken at the start of the step (vLLM) or at its end (Transformers); between two consecutive
    decode steps both measure the duration of one decode step. An engine that schedules `ahead` computes in between the
    step before these, which has to be one too.
    """
    decodes = (kv["running"] > 0) & (kv["scheduled_tokens"] == kv["running"])
    chosen = decodes.copy()
    for back in (1, 2) if ahead else (1,):
        same = (kv["repeat"] == kv["repeat"].shift(back)) & (kv["process"] == kv["process"].shift(back))
        chosen &= decodes.shift(back, fill_value=False) & same
    return kv.assign(seconds=kv["t_ns"].diff() / 1e9)[chosen]


def weights_of_a_step(record: Mapping[str, Any]) -> int | None:
    """Bytes of weights that every step reads; None if unknown. Older records do not say how many are active."""
    weights, parameters = record["memory"]["parts"]["weights"], record.get("parameters")
    if weights is None or parameters is None:
        return weights
    active = parameters["active"]
    return None if active is None else round(weights * active / parameters["all"])


def copy_rate(run: Run, bandwidth: Mapping[str, Any]) -> float | None:
    """Copy bandwidth of the run's memory in bytes per second; None if it was measured on another device.

    It is that of the run's own GPUs where these are among the measured ones, else that of the first.
    """
    if bandwidth["device"] != run.record["device"]:
        return None
    copies = copies_of(bandwidth, (run.gpu_ids or "").split(", "))
    together = (run.record.get("gpus") or 1) if _all_at_once(run) else 1
    return sum(one["bytes_per_s"] for one in copies[:together])


def _all_at_once(run: Run) -> bool:
    """Whether several GPUs work at the same time, as with vLLM; with Transformers they take turns."""
    return run.engine.startswith("vllm")


def _busy(run: Run, scope: str) -> dict[str, float | None]:
    """Shares of time in which the device worked: NVML's value on a GPU, of all threads on a CPU; and power of all GPUs.

    The shares of GPUs that take turns are added, which gives the share of time in which any of them worked.
    """
    repeats = run.timed(scope)
    if run.record["device"] == "cpu":
        busy = sum(r["cpu_s"] for r in repeats) / sum(r["wall_s"] for r in repeats) / run.record["threads"]
        return {"gpu_busy_share": None, "cpu_busy_share": busy, "power_mean_w": None}
    samples = run.frame("device", ["phase", "gpu", "gpu_busy_percent", "power_w"])
    phases = {r["phase"] for r in repeats}
    inside = samples[samples["phase"].astype(str).str.partition("/")[0].isin(phases)]
    gpus = inside.groupby("gpu")[["gpu_busy_percent", "power_w"]].mean()
    busy = gpus["gpu_busy_percent"].mean() if _all_at_once(run) else gpus["gpu_busy_percent"].sum(min_count=1)
    power = gpus["power_w"].sum(min_count=1)
    known = {"gpu_busy_share": min(busy / 100, 1), "cpu_busy_share": None, "power_mean_w": power}
    return {name: None if value is None or np.isnan(value) else float(value) for name, value in known.items()}


def limited_by(row: Mapping[str, Any]) -> str | None:
    """What limits a step, from its own row: `host`, `memory bandwidth` or `neither`; None if unknown."""
    busy, fraction = row["gpu_busy_share"], row["fraction_of_bound"]
    if busy is not None and busy < IDLE_SHARE:
        return "host"
    if fraction is None:
        return None
    return "memory bandwidth" if fraction >= BOUND_SHARE else "neither"
