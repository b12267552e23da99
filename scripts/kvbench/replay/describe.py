"""Describes a scenario in words, for the text beside its numbers in figures and the report."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from kvbench.analysis.published import Published
from kvbench.replay.window import ALL, ARRIVALS, FULL_QUEUE
from kvbench.workload.selection import COUNTS, FileCounts

NO_POLICY = "No policy of this scenario was replayed."
WINDOWS = {
    FULL_QUEUE: "a queue that stays full, without its first quarter",
    ARRIVALS: "the time in which requests arrive, without its first quarter",
    ALL: "all steps, since the requests are too few for anything else",
}


def setting(table: pd.DataFrame) -> str:
    """Requests, pool and limits from a scenario's rows of replays.csv; unknown values are left out."""
    row = table.iloc[0]
    has_blocks = "paged" in set(table["policy"])
    parts = [
        ", ".join(filter(None, [requests(row), arrival(table)])),
        _told(row, "step_time_source", "time of a step: {}"),
        _told(row, "pool_slots", "{:,} slots"),
        _told(row, "block_size", "blocks of {:,}") if has_blocks else "",
        "equal beginnings shared" if pd.notna(row["prefix_sharing"]) and row["prefix_sharing"] else "",
        _told(row, "allocator", "{} allocator"),
        _told(row, "max_length", "max_length {:,}"),
        _told(row, "max_running", "at most {:,} at once"),
    ]
    return "; ".join(filter(None, parts))


def requests(row: pd.Series) -> str:
    """The number of requests and their workload, for a file also the number left out; empty if unknown."""
    counts = [row.get(name) for name in COUNTS]
    if pd.isna(row["requests"]) or pd.isna(counts).any():
        return _told(row, "requests", f"n = {{:,}} requests of {row['workload']}")
    return f"n = {FileCounts(*map(int, counts)).words(int(row['requests']), row['workload'])}"


def _told(row: pd.Series, name: str, text: str) -> str:
    return text.format(row[name]) if pd.notna(row[name]) else ""


def arrival(table: pd.DataFrame) -> str:
    """How the requests arrive; empty if unknown."""
    row = table.iloc[0]
    if pd.notna(row["requests_per_s"]):
        return f"arriving at {row['requests_per_s']:g} a second"
    if pd.isna(row["last_arrival_s"]):
        return ""
    return f"arriving over {row['last_arrival_s']:g} s" if row["last_arrival_s"] else "all there at once"


def windows(table: pd.DataFrame) -> str:
    """The steps over which means are taken, with the policies if these differ."""
    found = table.groupby("window", sort=False)["policy"].agg(", ".join)
    if len(found) == 1:
        return f"Mean over {WINDOWS[found.index[0]]}"
    return "Mean over " + "; ".join(f"{WINDOWS[kind]} ({policies})" for kind, policies in found.items())


def sources(published: Sequence[Published]) -> str:
    """The sources and conditions of published values; empty if there are none."""
    found = dict.fromkeys(f"{one.source} ({one.conditions})" for one in published)
    return "; ".join(found)


def note(table: pd.DataFrame, shown: Sequence[Published]) -> str:
    """The note below a figure of a scenario: steps, settings and the sources of published values."""
    text = f"{windows(table)}: {setting(table)}."
    return text + (f"\nPaper: {sources(shown)}." if shown else "")
