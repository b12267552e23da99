"""The first screen's number where number types of the cache were swept: what another one gives in the same bytes."""

from __future__ import annotations

import pandas as pd

from kvbench.report.cells import number, span

KEY, TITLE, EVIDENCE = "kv-dtype", "Another number type of the cache, in the same bytes", "memory"
UNIT = "×"
PAGED = "vllm"


def shown(kv_dtypes: pd.DataFrame) -> pd.Series | None:
    """The row of kv_dtypes.csv of one model and workload that the first screen shows: vllm's largest pool."""
    rows = kv_dtypes[(kv_dtypes["engine"] == PAGED) & kv_dtypes["ratio"].notna()]
    return None if rows.empty else rows.loc[rows["pool_tokens_over_auto"].idxmax()]


def numbers(row: pd.Series) -> list[tuple[str, str]]:
    """What each number is, and its text."""
    over = f"{row['kv_dtype']} over auto"
    return [
        (f"tokens that the pool holds: {over}", number(row["pool_tokens_over_auto"])),
        (f"output tokens per second: {over}", span(row["ratio"], row["ratio_ci95_low"], row["ratio_ci95_high"])),
    ]


def note(row: pd.Series) -> str:
    """How many outputs stay the same, if they were compared."""
    equal = row["equal_outputs_share"]
    return "" if pd.isna(equal) else f"{number(100 * equal)}% of the outputs are those with auto."
