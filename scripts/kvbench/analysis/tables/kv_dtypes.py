"""Number types of the KV cache: capacity, speed and equal tokens of each, and whether the larger pool helped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.parity import compare, outputs
from kvbench.analysis.results import Run
from kvbench.analysis.statistics import PARTS, Ratio, count_disturbed, known_columns, ratio
from kvbench.analysis.tables.hosts import SAME, apart, same_place
from kvbench.kv.groups import LayerGroup, units

SWEEP, AUTO = "kv_dtype", "auto"
SPEED, FOR_BLOCKS = "output_tokens_per_s", "steps_waiting_for_blocks_share"
SAMPLED = ("preemptions", "steps_waiting_share", FOR_BLOCKS, "running_mean_requests", SPEED)
COLUMNS = (
    *("model", "workload", "engine", "point", "kv_dtype", "requests", "n_repeats", "n_processes", "disturbed_repeats"),
    *("slot_bytes", "token_bytes", "pool_bytes", "pool_slots", "pool_tokens", "pool_tokens_over_auto"),
    *(f"{name}_{part}" for name in SAMPLED for part in PARTS),
    *("ratio", "ratio_ci95_low", "ratio_ci95_high", "interval_against_1", *SAME),
    *("equal_outputs_share", "equal_tokens_share", "median_common_prefix_tokens", "median_output_tokens"),
    "larger_pool",
)
# Settings in which a point may differ from base and still be compared with it.
APART = ("kv_dtype", "point", "process", "repeats")


def table(runs: Sequence[Run], repeats: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A row per point of a sweep of kv_dtype, and per base run that differs from the points only in it.

    `repeats` is repeats.csv of the runs. `pool_tokens` are those that the pool holds in all layers. Ratios and equal
    tokens are over the run with `auto`; equal tokens are of the first timed repeat, and empty if tokens are sampled.
    """
    rows = []
    for group in _groups(runs):
        auto = next((run for run in group if kv_dtype(run) == AUTO), None)
        rows += [_row(run, auto, repeats, seed) for run in group]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def kv_dtype(run: Run) -> str:
    """The number type that was asked for."""
    return run.record.get("kv_dtype", AUTO)


def token_bytes(run: Run) -> int:
    """Bytes of one token in all layers."""
    groups = [LayerGroup.of(group) for group in run.record.get("groups") or ()]
    return run.record["slot_bytes"] * (sum(units(groups)) if len(groups) > 1 else 1)


def _groups(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs of each model, workload and engine with a point of the sweep; base first where it belongs to them."""
    found: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        if run.point.startswith(f"{SWEEP}-"):
            found.setdefault(_place(run), []).append(run)
    for run in runs:
        points = found.get(_place(run), [])
        others = {kv_dtype(one) for one in points}
        if run.point == "base" and points and kv_dtype(run) not in others and _beside(run) == _beside(points[0]):
            points.insert(0, run)
    return list(found.values())


def _place(run: Run) -> tuple[str, str, str]:
    return run.model, run.workload, run.engine


def _beside(run: Run) -> dict[str, Any]:
    given = run.record["settings"].get("given") or {}
    return {name: value for name, value in given.items() if name not in APART}


def _row(run: Run, auto: Run | None, repeats: pd.DataFrame, seed: int) -> dict[str, Any]:
    own, capacity = _samples(repeats, run), run.record["capacity"]
    row: dict[str, Any] = {**run.names, "kv_dtype": kv_dtype(run)}
    row |= {"requests": own["requests"].max(), "n_repeats": len(own), "n_processes": own["process"].nunique()}
    flags = [None if pd.isna(flag) else bool(flag) for flag in own["disturbed"]]
    row["disturbed_repeats"] = count_disturbed(flags)
    row |= {"slot_bytes": run.record["slot_bytes"], "token_bytes": token_bytes(run)}
    row |= {name: capacity[name] for name in ("pool_bytes", "pool_slots")} | {"pool_tokens": _pool_tokens(run)}
    for name in SAMPLED:
        row |= known_columns(name, own[name], seed, own["process"].tolist())
    if auto is None or auto is run:
        return row | {"larger_pool": None if auto is run else "not known: there is no run with auto to compare with"}
    return row | _over_auto(run, auto, own, _samples(repeats, auto), seed)


def _over_auto(run: Run, auto: Run, own: pd.DataFrame, base: pd.DataFrame, seed: int) -> dict[str, Any]:
    """What a row has beside the run with `auto`."""
    larger = _pool_tokens(run) / _pool_tokens(auto)
    if own.empty or base.empty:
        return {"pool_tokens_over_auto": larger, "larger_pool": "not known: one of the two has no timed repeat"}
    processes = own["process"].tolist(), base["process"].tolist()
    found = ratio(own[SPEED].to_numpy(), base[SPEED].to_numpy(), seed, processes)
    same = same_place([*run.places, *auto.places])
    return {
        "pool_tokens_over_auto": larger,
        "ratio": found.value,
        "ratio_ci95_low": found.low,
        "ratio_ci95_high": found.high,
        "interval_against_1": found.verdict,
        **same,
        **_equal(run, auto),
        "larger_pool": "; ".join(filter(None, (bought(larger, bound(base), found), apart(same)))),
    }


def bound(repeats: pd.DataFrame) -> bool:
    """Whether the pool limited a repeat: a request was preempted or waited for blocks, or for anything if that is not
    known.
    """
    waited = repeats[FOR_BLOCKS].astype(float).fillna(repeats["steps_waiting_share"])
    return bool((repeats["preemptions"] > 0).any() or (waited > 0).any())


def bought(larger: float, was_bound: bool, found: Ratio) -> str:
    """Whether a pool with `larger` times the tokens of auto's bought speed; `found` is the ratio to auto's.

    Args:
        was_bound: whether auto's pool limited it.
    """
    if larger <= 1:
        return "its pool holds no more tokens than auto's: a difference in speed is the kernel's"
    if not was_bound:
        why = "with auto no request waited for blocks or was preempted"
        return f"the larger pool bought nothing: {why}, so a difference in speed is the kernel's"
    if found.low is None:
        return f"with the larger pool {found.value:.3g} times auto's speed, from too few repeats for an interval"
    where = {"above 1": "faster", "below 1": "slower", "includes 1": "neither faster nor slower for certain"}
    span = f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"
    return f"with the larger pool {span} times auto's speed: {where[found.verdict]}"


def _samples(repeats: pd.DataFrame, run: Run) -> pd.DataFrame:
    """The timed repeats of a run; only those of all requests if there are any."""
    rows = repeats[(repeats[list(run.names)] == pd.Series(run.names)).all(axis=1)]
    whole = rows[rows["scope"] == "all"]
    return whole if len(whole) else rows


def _pool_tokens(run: Run) -> int:
    return run.record["capacity"]["pool_bytes"] // token_bytes(run)


def _equal(run: Run, auto: Run) -> dict[str, Any]:
    """How far the outputs equal those with auto; empty if tokens are sampled or there is none to compare."""
    own, reference = outputs(run), outputs(auto)
    pairs = [(own[name], reference[name]) for name in reference if name in own]
    if max(run.temperature, auto.temperature) > 0 or not pairs:
        return {}
    found = compare(reference, own)
    same = sum(a == b for mine, other in pairs for a, b in zip(mine, other, strict=False))
    return {
        "equal_outputs_share": found.share_equal,
        "equal_tokens_share": same / sum(len(other) for _, other in pairs),
        "median_common_prefix_tokens": found.median_common_prefix_tokens,
        "median_output_tokens": float(pd.Series([len(other) for _, other in pairs]).median()),
    }
