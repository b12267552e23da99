"""Table of the benchmarks of kvbench itself: our runner compared with a peer, or with and without recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.files import read_record

SPEED = "output_tokens_per_s"  # what all kinds but peer-serve compare
COLUMNS = (
    *("name", "kind", "model", "workload", "device", "host", "requests_per_s", "passes", "ours", "other", "measure"),
    *("ours_output_tokens", "other_output_tokens", "ours_output_tokens_per_s", "other_output_tokens_per_s"),
    *("requests", "ours_median_s", "ours_p90_s", "ours_p99_s", "other_median_s", "other_p90_s", "other_p99_s"),
    *("ratio", "ratio_ci95_low", "ratio_ci95_high", "difference", "hook_share_of_wall", "hook_share_of_step"),
)


def table(benchmarks: Mapping[str, Mapping[str, Any]], results: Sequence[str | Path]) -> pd.DataFrame:
    """COLUMNS, one row per benchmark, of `peer-serve` one for each two sides and measure.

    `results` are the files in the order of `benchmarks`.
    """
    rows = [
        {"name": name, "model": own["model"], "workload": own["workload"], **row}
        for (name, own), path in zip(benchmarks.items(), results, strict=True)
        for row in _rows(read_record(path))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for own in result.get("comparisons", [{"measure": SPEED}]):
        row = {**result, **own, "host": (result.get("host") or {}).get("id")}
        difference = None if row.get("ratio") is None else row["ratio"] - 1
        yield row | {"difference": difference}
