"""Checks that engines return the same tokens: the gate on the `parity` workload, shares for all other workloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kvbench.analysis.results import Run
from kvbench.engines.names import REFERENCE, SEQUENTIAL
from kvbench.errors import UserError
from kvbench.files import read_parquet

GATE_WORKLOAD = "parity"
GATE_DTYPE = "float32"
NEAR_TIE = 1e-4

Outputs = Mapping[str, Sequence[int]]
Margins = Mapping[tuple[str, int], float]


@dataclass(frozen=True)
class Difference:
    """The first position at which two outputs of a request differ (counted from 0)."""

    request_id: str
    position: int
    margin: float | None = None

    def __str__(self) -> str:
        gap = "" if self.margin is None else f" (top two logits {self.margin:.2g} apart)"
        return f"{self.request_id} at {self.position}{gap}"


@dataclass(frozen=True)
class Comparison:
    """An engine's outputs compared with the reference's, on the requests that both have."""

    requests: int
    common_prefix_tokens: tuple[int, ...]
    differences: tuple[Difference, ...]

    @property
    def share_equal(self) -> float:
        return 1 - len(self.differences) / self.requests

    @property
    def median_common_prefix_tokens(self) -> float:
        return float(np.median(self.common_prefix_tokens))


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Number of leading tokens that two outputs share."""
    for position, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return position
    return min(len(a), len(b))


def compare(reference: Outputs, other: Outputs) -> Comparison:
    """Compare outputs by request id. Raises ValueError if they have no request in common."""
    ids = [name for name in reference if name in other]
    if not ids:
        raise ValueError("no request in common")
    prefixes = tuple(common_prefix(reference[name], other[name]) for name in ids)
    differences = tuple(
        Difference(name, prefix)
        for name, prefix in zip(ids, prefixes, strict=True)
        if not prefix == len(reference[name]) == len(other[name])
    )
    return Comparison(len(ids), prefixes, differences)


def gate(engine: str, reference: Outputs, other: Outputs, margins: Margins) -> list[Difference]:
    """The differences that pass as near ties: the reference's top two logits are within NEAR_TIE at that position.

    Engines that serve one request at a time run only the first requests. UserError for any other difference, naming the
    engine, the first differing request and the position; also if a request is missing or has another number of tokens.
    """
    for name in other if engine in SEQUENTIAL and other else reference:
        if len(other.get(name, ())) != len(reference[name]):
            raise UserError(
                f"parity: {engine}: request {name}: {len(other.get(name, ()))} tokens where {REFERENCE} returned "
                f"{len(reference[name])}; the engine must return all tokens asked for"
            )
    found = compare(reference, other).differences
    ties = [Difference(d.request_id, d.position, margins.get((d.request_id, d.position))) for d in found]
    for tie in ties:
        if tie.margin is None or tie.margin > NEAR_TIE:
            raise UserError(
                f"parity: {engine}: request {tie.request_id}, position {tie.position}: token "
                f"{other[tie.request_id][tie.position]} where {REFERENCE} returned "
                f"{reference[tie.request_id][tie.position]} and its top two logits are {_apart(tie.margin)} apart, "
                f"too far for a near tie; check the engine's dtype and options, its results cannot be compared"
            )
    return ties


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run except the reference's own; checks that every run on the parity workload passes the gate.

    UserError if a run fails the gate or the parity workload has no run of the reference.
    """
    rows = []
    for run in runs:
        reference = _reference(runs, run)
        if reference is not run:
            rows.append(_row(run, reference))
    return pd.DataFrame([row for row in rows if row], columns=list(COLUMNS))


COLUMNS = (
    *("model", "workload", "engine", "point", "dtype", "gate", "comparable", "requests_compared", "share_equal"),
    *("median_common_prefix_tokens", "median_output_tokens", "near_ties_passed", "near_ties", "first_difference"),
)


def outputs(run: Run) -> dict[str, list[int]]:
    """Output token ids by request, from the first process's first timed repeat (of scope `all` if there is one)."""
    run = run.processes[0]
    numbers = run.timed_numbers("all") or run.timed_numbers() or [r["repeat"] for r in run.record["repeats"]]
    rows = run.requests[run.requests["repeat"].isin(numbers[:1])]
    return {name: list(map(int, ids)) for name, ids in zip(rows["request_id"], rows["output_token_ids"], strict=True)}


def read_margins(run: Run) -> dict[tuple[str, int], float]:
    """margins.parquet of a reference run: difference between the top two logits by (request, position)."""
    columns = read_parquet(run.folder / "margins.parquet").to_pydict()
    keys = zip(columns["request_id"], columns["position"], strict=True)
    return dict(zip(keys, columns["top1_minus_top2"], strict=True))


def _row(run: Run, reference: Run | None) -> dict[str, Any] | None:
    is_gate = run.workload == GATE_WORKLOAD
    if reference is None:
        if is_gate:
            raise UserError(f"parity: {run.model}: no run of {REFERENCE} to compare {run.engine} with; add it to runs")
        return None
    row = {**run.names, "dtype": run.record["dtype"], "gate": None, "near_ties_passed": None}
    sampled = max(run.temperature, reference.temperature) > 0
    if is_gate:
        _check_gate_settings([run, reference], sampled)
        ties = gate(run.engine, outputs(reference), outputs(run), read_margins(reference))
        row |= {"gate": "passed", "near_ties_passed": len(ties), "near_ties": _listed(ties)}
    if sampled:
        return row | {"comparable": "no: sampled"}
    if _other_weights(run, reference):
        return row | {"comparable": "no: each library drew its own weights"}
    if not set(outputs(reference)) & set(outputs(run)):
        return row | {"comparable": "no: no request in common"}
    return row | {"comparable": "yes"} | _columns(compare(outputs(reference), outputs(run)), outputs(run))


def _other_weights(run: Run, reference: Run) -> bool:
    """Whether the model is a shape, whose random weights Transformers and vLLM draw differently."""
    shape = set((run.record.get("digests") or {}).get("model") or ()) == {"config.json"}
    return shape and run.engine.partition("-")[0] != reference.engine.partition("-")[0]


def _columns(found: Comparison, compared: Outputs) -> dict[str, Any]:
    return {
        "requests_compared": found.requests,
        "share_equal": found.share_equal,
        "median_common_prefix_tokens": found.median_common_prefix_tokens,
        "median_output_tokens": float(np.median([len(tokens) for tokens in compared.values()])),
        "first_difference": str(found.differences[0]) if found.differences else None,
    }


def _check_gate_settings(runs: Iterable[Run], sampled: bool) -> None:
    for run in runs:
        if run.record["dtype"] != GATE_DTYPE:
            raise UserError(f"parity: {run.engine}: dtype {run.record['dtype']}; the gate needs {GATE_DTYPE}")
        if sampled:
            raise UserError(f"parity: {run.engine}: temperature {run.temperature}; the gate needs 0 (greedy)")


def _reference(runs: Sequence[Run], run: Run) -> Run | None:
    """The reference's run on the same model and workload, at the same point or else at `base`."""
    found = {r.point: r for r in runs if (r.model, r.workload, r.engine) == (run.model, run.workload, REFERENCE)}
    return found.get(run.point, found.get("base"))


def _listed(ties: Sequence[Difference]) -> str | None:
    return "; ".join(map(str, ties)) or None


def _apart(margin: float | None) -> str:
    return "an unknown distance" if margin is None else f"{margin:.2g}"
