"""Throughput: tokens and requests over the wall time of whole repeats."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import pandas as pd

from kvbench.analysis.results import SCOPES, Run, processes_of
from kvbench.analysis.statistics import count_disturbed, disturbed, known_columns, summarise

ENERGIES = {"energy_j_per_output_token": "output_tokens", "energy_j_per_request": "requests"}
RATES = ("output_tokens_per_s", "total_tokens_per_s", "requests_per_s")


def rates(repeat: dict[str, Any]) -> dict[str, float]:
    """The three rates of one repeat (a run.json record): its totals over its wall time."""
    return {name: count / repeat["wall_s"] for name, count in _counts(repeat).items()}


def energies(repeat: dict[str, Any]) -> dict[str, float | None]:
    """The device's energy per token and per request in one repeat, in J; None without an energy counter."""
    energy_j = repeat["energy_j"]
    return {name: None if energy_j is None else energy_j / repeat[count] for name, count in ENERGIES.items()}


def disturbances(run: Run, scope: str) -> list[bool | None]:
    """Which timed repeats of a scope were disturbed by other load, compared over all processes of the run."""
    return disturbed(run.timed(scope), run.record["device"], run.record["threads"])


def table(runs: Sequence[Run], seed: int) -> pd.DataFrame:
    """A row per run and scope; `*_total` is the tokens of all repeats over their total seconds."""
    return pd.DataFrame(
        [_row(run, scope, seed) for run in runs for scope in SCOPES if run.timed(scope)],
    )


def _row(run: Run, scope: str, seed: int) -> dict[str, Any]:
    repeats = run.timed(scope)
    processes = processes_of(repeats)
    flags = disturbances(run, scope)
    row = {
        **run.names,
        "scope": scope,
        "device": run.record["device"],
        "dtype": run.record["dtype"],
        "threads": run.record["threads"],
        "requests": repeats[0]["requests"],
        "prompt_tokens": repeats[0]["prompt_tokens"],
        "output_tokens": repeats[0]["output_tokens"],
        **_rows_that_fit(run),
        "n_repeats": len(repeats),
        "n_processes": len(set(processes)),
        "disturbed_repeats": count_disturbed(flags),
        "first_repeat_over_others": _first_over_others(repeats),
        "compiled_after_warm_up": _compiled_after_warm_up(run),
        **summarise([r["wall_s"] for r in repeats], seed, processes).columns("wall_s"),
    }
    total_s = sum(r["wall_s"] for r in repeats)
    for name in RATES:
        row.update(summarise([rates(r)[name] for r in repeats], seed, processes).columns(name))
        row[f"{name}_total"] = sum(_counts(r)[name] for r in repeats) / total_s
    return row | _energy_columns(repeats, seed, processes)


def _first_over_others(repeats: Sequence[dict[str, Any]]) -> float | None:
    """Wall time of a process's first timed repeat over the median of its others; the largest over all processes.

    A value far above 1 means that the warm-up was incomplete. None if no process has three repeats.
    """
    walls: dict[int, list[float]] = {}
    for repeat in repeats:
        walls.setdefault(repeat["process"], []).append(repeat["wall_s"])
    return max((first / median(others) for first, *others in walls.values() if len(others) > 1), default=None)


def _compiled_after_warm_up(run: Run) -> int | None:
    """Graphs that the engine compiled after its warm-up, over all processes; None if it does not compile."""
    settings = [one.record["settings"].get("in_force") or {} for one in run.processes]
    if not all("compiled" in found for found in settings):
        return None
    return sum(found["compiled"]["graphs"] - found["compiled_in_warm_up"]["graphs"] for found in settings)


def _energy_columns(repeats: Sequence[dict[str, Any]], seed: int, processes: Sequence[int]) -> dict[str, Any]:
    """Medians and intervals of ENERGIES; empty unless every repeat has a value."""
    columns: dict[str, Any] = {}
    for name in ENERGIES:
        columns |= known_columns(name, [energies(repeat)[name] for repeat in repeats], seed, processes)
    return columns


def _rows_that_fit(run: Run) -> dict[str, int | None]:
    """Rows of the largest batch, and of the smallest batch known to run out of memory, which is empty if none did."""
    memory = run.record.get("out_of_memory") or {}
    rows = [batch["rows"] for batch in run.record.get("batches") or []]
    return {"largest_batch_rows": max(rows, default=None), "out_of_memory_rows": memory.get("out_of_memory_rows")}


def _counts(repeat: dict[str, Any]) -> dict[str, int]:
    output, prompt = repeat["output_tokens"], repeat["prompt_tokens"]
    return dict(zip(RATES, (output, prompt + output, repeat["requests"]), strict=True))
