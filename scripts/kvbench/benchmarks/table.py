"""Table of the benchmarks of kvbench itself: our runner compared with a peer, or with and without recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.files import read_json

COLUMNS = (
    *("name", "kind", "model", "workload", "device", "passes", "ours", "other"),
    *("ours_output_tokens", "other_output_tokens", "ours_output_tokens_per_s", "other_output_tokens_per_s"),
    *("ratio", "ratio_ci95_low", "ratio_ci95_high", "hook_share_of_wall"),
)


def table(benchmarks: Mapping[str, Mapping[str, Any]], results: Sequence[str | Path]) -> pd.DataFrame:
    """COLUMNS, one row per benchmark; `results` are the files in the order of `benchmarks`."""
    rows = [
        {"name": name, "model": own["model"], "workload": own["workload"], **read_json(path)}
        for (name, own), path in zip(benchmarks.items(), results, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
