"""Requests at once and live slots of each engine: medians over the repeats of repeats.csv, with their intervals."""

from __future__ import annotations

import pandas as pd

from kvbench.analysis.statistics import PARTS, known_columns
from kvbench.report.cells import MIB, interval, number, text, text_column

AT_ONCE, LIVE = "running_mean_requests", "live_share_of_allocated"
PEAKS = ("running_peak_requests", "allocated_peak_bytes")
NAMES = ("engine", "label", "scope")
SUMMARIES = [f"{name}_{part}" for name in (AT_ONCE, LIVE) for part in PARTS]
SCOPES = {"all": "all", "sequential": "subset"}


def held(repeats: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A row per engine and scope outside sweeps; `repeats` has the rows of one model and workload, with `label`."""
    base = repeats[repeats["point"] == "base"]
    rows = [_row(key, own, seed) for key, own in base.groupby(list(NAMES), sort=False)]
    table = pd.DataFrame(rows, columns=[*NAMES, "requests", "n_repeats", *SUMMARIES, *PEAKS])
    return table.astype(dict.fromkeys((*SUMMARIES, *PEAKS), float))


def _row(key: tuple[str, ...], own: pd.DataFrame, seed: int) -> dict:
    processes = own["process"].tolist()
    return {
        **dict(zip(NAMES, key, strict=True)),
        "requests": own["requests"].iloc[0],
        "n_repeats": len(own),
        **known_columns(AT_ONCE, own[AT_ONCE].tolist(), seed, processes),
        **known_columns(LIVE, own[LIVE].tolist(), seed, processes),
        **{name: own[name].max() for name in PEAKS},
    }


def held_view(table: pd.DataFrame) -> pd.DataFrame:
    """Medians over repeats with intervals, shares in percent; the most over all repeats."""
    asked = [f"{number(n)} ({SCOPES[scope]})" for n, scope in zip(table["requests"], table["scope"], strict=True)]
    return text(
        pd.DataFrame(
            {
                "engine": text_column(table["label"]),
                "requests": pd.Series(asked, table.index, dtype=object),
                "repeats": table["n_repeats"],
                "requests at once": interval(table, AT_ONCE),
                "at most": table["running_peak_requests"],
                "live of allocated (%)": interval(table, LIVE, 100),
                "peak allocated (MiB)": table["allocated_peak_bytes"] / MIB,
            }
        )
    )
