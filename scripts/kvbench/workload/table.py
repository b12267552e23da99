"""A workload as an Arrow table, and the table of its lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from kvbench.records import WORKLOAD

if TYPE_CHECKING:
    import pandas as pd

PERCENTILES = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)


def workload_table(
    request_ids: Sequence[str],
    texts: Sequence[str | None],
    prompts: Sequence[Sequence[int]],
    output_tokens: Sequence[int],
    arrivals_s: Sequence[float] | None = None,
) -> pa.Table:
    """The columns as a table of `records.WORKLOAD`; without arrivals every request arrives at 0."""
    arrivals = [0.0] * len(request_ids) if arrivals_s is None else arrivals_s
    columns = [request_ids, texts, prompts, np.asarray(output_tokens), np.asarray(arrivals, dtype=float)]
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, WORKLOAD, strict=True)]
    return pa.Table.from_arrays(arrays, schema=WORKLOAD)


def lengths_of(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Prompt and output lengths in tokens of a workload table, two int64 arrays."""
    import pyarrow.compute as pc

    prompt = pc.list_value_length(table["prompt_token_ids"]).to_numpy()
    return prompt.astype(np.int64), table["output_tokens"].to_numpy().astype(np.int64)


def length_table(prompt_tokens: np.ndarray, output_tokens: np.ndarray) -> pd.DataFrame:
    """n, mean and percentiles (nearest rank) in tokens; one row each for prompts, outputs and their sums."""
    import pandas as pd

    quantities = {"prompt": prompt_tokens, "output": output_tokens, "total": prompt_tokens + output_tokens}
    return pd.DataFrame([{"quantity": name, **_summary(values)} for name, values in quantities.items()])


def _summary(tokens: np.ndarray) -> dict[str, float]:
    ranks = np.percentile(tokens, PERCENTILES, method="inverted_cdf")
    percentiles = {f"p{p}_tokens": int(rank) for p, rank in zip(PERCENTILES, ranks, strict=True)}
    return {"n": len(tokens), "mean_tokens": float(tokens.mean()), **percentiles}
