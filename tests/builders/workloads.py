"""Workload tables as the workload rule writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from kvbench.files import write_parquet
from kvbench.workload.table import workload_table


def workload(
    prompts: Iterable[int | Sequence[int]],
    outputs: Iterable[int],
    *,
    ids: Iterable[str] | None = None,
    arrivals: Sequence[float] | None = None,
) -> pa.Table:
    """Return requests 0, 1, …; a prompt is a list of token ids or a number of tokens, all 7."""
    tokens = [[7] * int(prompt) if not hasattr(prompt, "__len__") else list(prompt) for prompt in prompts]
    names = list(map(str, range(len(tokens)))) if ids is None else list(ids)
    return workload_table(names, [None] * len(tokens), tokens, list(outputs), arrivals)


def write_workloads(folder: Path) -> list[Path]:
    """Write a three-request and a one-request file; outputs fall as prompts rise, so percentiles of sums differ."""
    made = {"a": workload([1, 2, 40], [30, 20, 10]), "b": workload([5], [7])}
    for name, table in made.items():
        write_parquet(folder / f"{name}.parquet", table)
    return [folder / f"{name}.parquet" for name in made]
