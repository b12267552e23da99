"""A scenario in words, as figures and the report say it beside its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from kvbench.published import Published
from kvbench.replay.window import ALL, ARRIVALS, FULL_QUEUE
from kvbench.workload.selection import COUNTS, FileCounts

WINDOWS = {
    FULL_QUEUE: "a queue that stays full, without its first quarter",
    ARRIVALS: "the time in which requests arrive, without its first quarter",
    ALL: "all steps, since the requests are too few for anything else",
}


def setting(table: pd.DataFrame) -> str:
    """Requests, pool and limits of a scenario's rows of replays.csv."""
    row = table.iloc[0]
    parts = [
        f"n = {requests(row)}, {arrival(table)}",
        f"time of a step: {row['step_time_source']}" if pd.notna(row["step_time_source"]) else "",
        f"{row['pool_slots']:,} slots",
        f"blocks of {row['block_size']:,}" if "paged" in set(table["policy"]) else "",
        "equal beginnings shared" if row["prefix_sharing"] else "",
        f"{row['allocator']} allocator",
        f"max_length {row['max_length']:,}",
        f"at most {row['max_running']:,} at once",
    ]
    return "; ".join(filter(None, parts))


def requests(row: pd.Series) -> str:
    """How many there are, of what, and of a file how many were left out."""
    counts = [row.get(name) for name in COUNTS]
    if pd.isna(counts).any():
        return f"{row['requests']:,} requests of {row['workload']}"
    return FileCounts(*map(int, counts)).words(int(row["requests"]), row["workload"])


def arrival(table: pd.DataFrame) -> str:
    """How the requests arrive."""
    row = table.iloc[0]
    if pd.notna(row["requests_per_s"]):
        return f"arriving at {row['requests_per_s']:g} a second"
    return f"arriving over {row['last_arrival_s']:g} s" if row["last_arrival_s"] else "all there at once"


def windows(table: pd.DataFrame) -> str:
    """The steps that means are of, with the policies where these differ."""
    found = table.groupby("window", sort=False)["policy"].agg(", ".join)
    if len(found) == 1:
        return f"Mean over {WINDOWS[found.index[0]]}"
    return "Mean over " + "; ".join(f"{WINDOWS[kind]} ({policies})" for kind, policies in found.items())


def sources(published: Sequence[Published]) -> str:
    """Where published values are from and what they are of; empty without one."""
    found = dict.fromkeys(f"{one.source} ({one.conditions})" for one in published)
    return "; ".join(found)


def note(table: pd.DataFrame, shown: Sequence[Published]) -> str:
    """The line below a figure of a scenario: which steps, what setting, and where the published values are from."""
    text = f"{windows(table)}: {setting(table)}."
    return text + (f"\nPaper: {sources(shown)}." if shown else "")
