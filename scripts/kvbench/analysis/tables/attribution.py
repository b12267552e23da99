"""Attribution of speed: a chain of factors from one request at a time to paging, and further ratios beside it.

The chain: vllm/hf-sequential = vllm-sequential/hf-sequential (runtime and kernels) × vllm-contiguous/vllm-sequential
(batching) × vllm-reserved/vllm-contiguous (price of paging) × vllm/vllm-reserved (capacity of paging: the requests that
it makes room for). Without a run of vllm-contiguous, batching is vllm-reserved/vllm-sequential and the price is not in
the chain. Sequential engines serve a subset, so their factors, the total and the product refer to the subset. The price
and the capacity are also measured on all requests, where memory is short; these rows are not part of the product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.analysis.statistics import MIN_REPEATS, PARTS
from kvbench.analysis.tables.hosts import SAME, apart
from kvbench.analysis.tables.ratios import METRIC, arm, ratio_columns, same_work
from kvbench.analysis.tables.repeats import for_blocks, steps_of

POINT = "base"
YES, NO, NOT_RUN = "yes", "not measurable here", "not run"
BINDING_SHARE = 0.5
ARMS = ("numerator", "denominator")


@dataclass(frozen=True)
class Factor:
    """A ratio of two engines; `part` is total, chain (a factor of the total) or side (any other ratio)."""

    name: str
    part: str
    numerator: str
    denominator: str
    scope: str


CONTIGUOUS = "vllm-contiguous"
BATCHING, PRICE, CAPACITY = "batching", "price of paging", "capacity of paging"
FIRST = (
    Factor("total", "total", "vllm", "hf-sequential", "sequential"),
    Factor("runtime and kernels", "chain", "vllm-sequential", "hf-sequential", "sequential"),
)
# The middle of the chain without and with a run of vllm-contiguous.
MIDDLE = {
    False: (Factor(BATCHING, "chain", "vllm-reserved", "vllm-sequential", "sequential"),),
    True: (
        Factor(BATCHING, "chain", CONTIGUOUS, "vllm-sequential", "sequential"),
        Factor(PRICE, "chain", "vllm-reserved", CONTIGUOUS, "sequential"),
    ),
}
LAST = (
    Factor(CAPACITY, "chain", "vllm", "vllm-reserved", "sequential"),
    Factor(PRICE, "side", "vllm-reserved", CONTIGUOUS, "all"),
    Factor(CAPACITY, "side", "vllm", "vllm-reserved", "all"),
    Factor("padded batches", "side", "hf-batch", "hf-sequential", "sequential"),
    Factor("over padded batches", "side", "vllm", "hf-batch", "all"),
    Factor("static cache", "side", "hf-static", "hf-batch", "all"),
    Factor("compiled static cache", "side", "hf-static-compiled", "hf-static", "all"),
    Factor("continuous batching", "side", "hf-continuous", "hf-batch", "all"),
    Factor("graphs and compilation", "side", "vllm", "vllm-eager", "all"),
)
COLUMNS = (
    *("model", "workload", "point", "part", "factor", "numerator", "denominator", "scope", "requests"),
    *(f"{name}_n_repeats" for name in ARMS),
    *(f"{name}_n_processes" for name in ARMS),
    *(f"{name}_{METRIC}_{part}" for name in ARMS for part in PARTS),
    *("ratio", "ratio_ci95_low", "ratio_ci95_high", "interval_against_1", *SAME, "measurable", "reason"),
    *(f"{name}_steps_waiting_share" for name in ARMS),
    *("numerator_steps_waiting_for_blocks_share", "product", "product_over_ratio", "product_is"),
)


def table(runs: Sequence[Run], seed: int) -> pd.DataFrame:
    """A row per model, workload and factor at point `base`; a factor is empty if one of its engines was not run.

    A workload that was run only at swept points has no rows. A factor that is not measurable has both absolute values
    but no ratio. Shares of waiting refer to the steps of the row's own repeats.
    """
    rows: list[dict[str, Any]] = []
    for model, workload in dict.fromkeys((run.model, run.workload) for run in runs):
        found = {r.engine: r for r in runs if (r.model, r.workload, r.point) == (model, workload, POINT)}
        if found:
            rows += _section({"model": model, "workload": workload, "point": POINT}, found, seed)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _section(names: dict[str, str], engines: dict[str, Run], seed: int) -> list[dict[str, Any]]:
    waits: dict[tuple[str, str], tuple[float, float | None]] = {}
    factors = (*FIRST, *MIDDLE[CONTIGUOUS in engines], *LAST)
    rows = _once([{**names, **_identity(factor), **_measure(factor, engines, seed, waits)} for factor in factors])
    rows[0] |= _product(rows)
    return rows


def _identity(factor: Factor) -> dict[str, str]:
    return {
        "part": factor.part,
        "factor": factor.name,
        "numerator": factor.numerator,
        "denominator": factor.denominator,
        "scope": factor.scope,
    }


def _once(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop the second row of a factor if the workload has no subset, because both rows then cover all requests."""
    of_all = {row["factor"] for row in rows if row["part"] == "chain" and row["scope"] == "all"}
    return [row for row in rows if row["part"] != "side" or row["factor"] not in of_all]


def _measure(factor: Factor, engines: dict[str, Run], seed: int, waits: dict) -> dict[str, Any]:
    missing = [name for name in (factor.numerator, factor.denominator) if name not in engines]
    if missing:
        verb = "was" if len(missing) == 1 else "were"
        return {"measurable": NOT_RUN, "reason": f"{' and '.join(missing)} {verb} not run"}
    pair = [engines[factor.numerator], engines[factor.denominator]]
    above, below = (arm(run, factor.scope) for run in pair)
    if not above or not below or not same_work(above, below):
        return {"measurable": NOT_RUN, "reason": "the two engines have no repeats of the same requests"}
    row = {"scope": above[0]["scope"], "requests": above[0]["requests"], **_ratio(above, below, seed)}
    for name, run, repeats in zip(ARMS, pair, (above, below), strict=True):
        row[f"{name}_steps_waiting_share"] = _waiting(run, repeats, waits)[0]
    if factor.name == CAPACITY:
        row |= _capacity(pair, above, row["denominator_steps_waiting_share"], waits)
    if factor.name == PRICE:
        row |= _without_ratio(_unlike(pair))
    return row


def _ratio(above: list[dict[str, Any]], below: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    few, columns = min(len(above), len(below)), ratio_columns(above, below, seed)
    limits = [
        *([f"n = {few}; an interval needs {MIN_REPEATS} repeats"] if few < MIN_REPEATS else []),
        apart(columns),
    ]
    return {**columns, "measurable": YES, "reason": "; ".join(filter(None, limits)) or None}


def _without_ratio(problem: str | None) -> dict[str, Any]:
    """The columns that remove a ratio because of a problem; none without a problem."""
    if problem is None:
        return {}
    empty = dict.fromkeys(("ratio", "ratio_ci95_low", "ratio_ci95_high", "interval_against_1"))
    return empty | {"measurable": NO, "reason": problem}


def _unlike(pair: list[Run]) -> str | None:
    """What the two engines of the price differ in besides the size of their blocks; None if in nothing."""
    names = " and ".join(run.engine for run in pair)
    for key, words in (("max_num_seqs", "requests at once"), ("attention_kernels", "attention kernels")):
        values = [(run.record["settings"].get("in_force") or {}).get(key) for run in pair]
        if values[0] != values[1]:
            one, other = (", ".join(value) if isinstance(value, list) else value for value in values)
            return f"{names} differ in {words}: {one} and {other}"
    return None


def _capacity(pair: list[Run], above: list[dict[str, Any]], reserved_waiting: float, waits: dict) -> dict[str, Any]:
    """The share of steps in which requests waited for blocks; the ratio is removed unless it exceeds BINDING_SHARE."""
    waiting, for_blocks = _waiting(pair[0], above, waits)
    problem = _not_binding(waiting, for_blocks, reserved_waiting)
    blocks = [run.record["capacity"].get("blocks") for run in pair]
    if blocks[0] != blocks[1]:
        problem = f"the pools differ: {blocks[0]} and {blocks[1]} blocks"
    return {"numerator_steps_waiting_for_blocks_share": for_blocks, **_without_ratio(problem)}


def _not_binding(waiting: float, for_blocks: float | None, reserved_waiting: float) -> str | None:
    """The reason why memory does not limit the engine; None if it does."""
    if for_blocks is None:
        return "vllm's run.json does not say max_num_seqs and max_num_batched_tokens"
    if for_blocks > BINDING_SHARE:
        return None
    if waiting > BINDING_SHARE:
        return (
            f"requests waited in {waiting:.0%} of vllm's steps, for blocks in {for_blocks:.0%}: "
            "not memory was the limit, but max_num_seqs or max_num_batched_tokens"
        )
    reserved = ""
    if reserved_waiting > BINDING_SHARE:
        reserved = f" and {reserved_waiting:.0%} of vllm-reserved's, so that a ratio would be of how many requests came"
    binding = f"memory counts as binding above {BINDING_SHARE:.0%}"
    return f"requests waited in {waiting:.0%} of vllm's steps{reserved}; {binding}"


def _waiting(run: Run, repeats: list[dict[str, Any]], known: dict) -> tuple[float, float | None]:
    """Shares of these repeats' steps in which requests waited, and in which they waited for blocks (`for_blocks`)."""
    key = (run.engine, repeats[0]["scope"])
    if key not in known:
        steps = steps_of(run)
        steps = steps[steps["repeat"].isin([repeat["repeat"] for repeat in repeats])]
        known[key] = (float((steps["waiting"] > 0).mean()), for_blocks(run, steps))
    return known[key]


def _product(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The product of the chain's factors, its ratio to the directly measured total, and in words whether it is exact.

    The medians cancel, so a full product on one scope equals the total up to rounding.
    """
    total, chain = rows[0], [row for row in rows if row["part"] == "chain"]
    direct = total.get("ratio")
    if direct is None:
        return {"product_is": "not formed: the total was not measured"}
    lacking = [row["factor"] for row in chain if row.get("ratio") is None]
    if not lacking:
        return _formed(chain, direct, "exact: all factors are of the same requests", check=True)
    across = next((r for r in rows if r["factor"] == CAPACITY and r["part"] == "side" and r.get("ratio")), None)
    if lacking == [CAPACITY] and across:
        text = f"not exact: {CAPACITY} is of all requests, total and the other factors of the subset"
        return _formed([*chain[:-1], across], direct, text)
    if lacking == [CAPACITY]:
        return _formed(chain[:-1], direct, f"not exact: without {CAPACITY}, which is not measurable here")
    return {"product_is": f"not formed: no ratio for {' and '.join(lacking)}"}


def _formed(factors: list[dict[str, Any]], direct: float, text: str, check: bool = False) -> dict[str, Any]:
    product = math.prod(row["ratio"] for row in factors)
    if check and not math.isclose(product, direct, rel_tol=1e-9):
        raise ValueError(f"the factors' product {product} is not the total {direct}, though all are of one scope")
    return {"product": product, "product_over_ratio": product / direct, "product_is": text}
