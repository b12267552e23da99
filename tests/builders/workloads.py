"""Workloads as the rule that makes them writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from kvbench.workload.table import workload_table


def workload(
    prompts: Iterable[int | Sequence[int]],
    outputs: Iterable[int],
    *,
    ids: Iterable[str] | None = None,
    arrivals: Sequence[float] | None = None,
) -> pa.Table:
    """Requests 0, 1, … of prompts given as token ids, or as so many tokens 7, and of so many output tokens."""
    tokens = [[7] * int(prompt) if not hasattr(prompt, "__len__") else list(prompt) for prompt in prompts]
    names = list(map(str, range(len(tokens)))) if ids is None else list(ids)
    return workload_table(names, [None] * len(tokens), tokens, list(outputs), arrivals)
