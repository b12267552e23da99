"""At most ten lines for the terminal: what the report answers first, in numbers from the tables, and how to open it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from kvbench.analysis.results import Run

Tables = Mapping[str, pd.DataFrame]
LINES = 10
PAGED, RESERVED, PADDED = "vllm", "vllm-reserved", "hf-batch"
# What paging is compared with: the first that ran. vllm-reserved limits the requests as reservations would, but its
# slots are in blocks; those of vllm-contiguous are not.
ADMITTING = (RESERVED, "vllm-contiguous", "hf-static", PADDED)
HOLDING = ("vllm-contiguous", "hf-static", PADDED)
REPORT, PLAN, OPEN = "results/report.html", "results/capacity.html", "make serve"


def in_short(tables: Tables, runs: Sequence[Run], *, has_capacity: bool) -> str:
    """Lines of text; `tables` are those of the report, by name."""
    pairs = list(dict.fromkeys((run.model, run.workload) for run in runs))
    lines = numbers(tables, pairs) if pairs else ["Nothing was measured: runs is empty."]
    last = f"Report: {REPORT}" + (f"; plan: {PLAN}" if has_capacity else "") + f"; open it with: {OPEN}"
    replayed = _replayed(tables["replays"]) if "replays" in tables else []
    room = LINES - len(lines) - 1
    if len(replayed) > room:
        replayed = [*replayed[: room - 1], f"{len(replayed) - room + 1} more replays are in the report."]
    return "\n".join([*lines, *replayed, last]) + "\n"


def numbers(tables: Tables, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A title and the four numbers of the model and workload in which memory binds most."""
    own = max(pairs, key=lambda pair: _binding(_of(tables["attribution"], *pair)))  # the first of equals
    found = {name: _of(tables[name], *own) for name in ("attribution", "repeats", "kv_waste", "parity")}
    waited = _waited(found["repeats"])
    others = len(pairs) - 1
    title = ", ".join(own) + (f": requests waited for blocks in {waited:.0%} of {PAGED}'s steps" if waited else "")
    more = f" ({others} more in the report)" if others else ""
    told = "\n".join(f"  {part(found)}" for part in (_at_once, _filled, _factor, _same))
    return [title + more, *told.splitlines()]


def _of(table: pd.DataFrame, model: str, workload: str) -> pd.DataFrame:
    """Rows of a model and workload outside sweeps."""
    return table[(table["model"] == model) & (table["workload"] == workload) & (table["point"] == "base")]


def _binding(rows: pd.DataFrame) -> tuple[bool, float]:
    """Larger where capacity of paging has a ratio, then where more of vllm's steps waited for blocks."""
    rows = _capacity(rows)
    waited = rows["numerator_steps_waiting_for_blocks_share"].astype(float).max()
    return bool(rows["ratio"].notna().any()), 0.0 if pd.isna(waited) else waited


def _waited(repeats: pd.DataFrame) -> float:
    share = _of_all(repeats, "steps_waiting_for_blocks_share").get(PAGED)
    return 0.0 if share is None or pd.isna(share) else float(share)


def _of_all(table: pd.DataFrame, column: str) -> dict[str, float]:
    """Medians of a column by engine, over the rows of all requests."""
    rows = table[table["scope"] == "all"]
    return rows.groupby("engine")[column].median().dropna().to_dict()


def _at_once(found: Tables) -> str:
    running = _of_all(found["repeats"], "running_mean_requests")
    other = next((name for name in ADMITTING if name in running), None)
    if PAGED not in running or other is None:
        return f"Requests at once: needs {PAGED} and one of {', '.join(ADMITTING)}."
    return f"Requests at once in the same memory: {running[PAGED]:.3g} in {PAGED}, {running[other]:.3g} in {other}."


def _filled(found: Tables) -> str:
    live = _of_all(found["kv_waste"], "live_share_of_allocated")
    names = [name for name in (PAGED, next(filter(live.get, HOLDING), None)) if name in live]
    told = ", ".join(f"{live[name]:.1%} in {name}" for name in names)
    return f"Allocated slots that hold a token: {told or 'no number'}."


def _factor(found: Tables) -> str:
    """Capacity of paging, of all requests if there is such a row; else why not, and vllm over padded batches."""
    capacity = _capacity(found["attribution"])
    known = capacity[capacity["ratio"].notna()]
    if len(known):
        return f"Paging's own factor: {_ratio(known.iloc[0])}."
    reason = capacity["reason"].iloc[0] if len(capacity) else f"{PAGED} was run in sweeps alone"
    table = found["attribution"]
    over = table[(table["numerator"] == PAGED) & (table["denominator"] == PADDED) & table["ratio"].notna()]
    whole = f"\n  {PAGED} as a whole: {_ratio(over.iloc[0])}." if len(over) else ""
    return f"Paging's own factor: no number, {reason}.{whole}"


def _capacity(attribution: pd.DataFrame) -> pd.DataFrame:
    """The rows of capacity of paging, those of all requests first."""
    rows = attribution[(attribution["numerator"] == PAGED) & (attribution["denominator"] == RESERVED)]
    return rows.sort_values("scope")


def _ratio(row: pd.Series) -> str:
    low, high = row["ratio_ci95_low"], row["ratio_ci95_high"]
    span = f" [{low:.3g}, {high:.3g}]" if pd.notna(low) else ""
    speeds = [row[f"{side}_output_tokens_per_s_median"] for side in ("numerator", "denominator")]
    return (
        f"{row['ratio']:.3g}{span} times the output tokens per second of {row['denominator']} "
        f"({speeds[0]:,.4g} against {speeds[1]:,.4g})"
    )


def _same(found: Tables) -> str:
    table = found["parity"]
    rows = table[(table["engine"] == PAGED) & table["gate"].isna()]
    if rows.empty:
        return f"Same tokens: {PAGED} was not compared."
    row = rows.iloc[0]
    if pd.isna(row["share_equal"]):
        return f"Same tokens: not compared on these requests, {str(row['comparable']).removeprefix('no: ')}."
    return f"Same tokens: {row['share_equal']:.0%} of {row['requests_compared']:.0f} requests, {PAGED} and {PADDED}."


def _replayed(table: pd.DataFrame) -> list[str]:
    """One line per scenario: requests at once under each policy."""
    return [
        f"Replay {name}, requests at once: "
        + ", ".join(f"{row['policy']} {row['running_mean_requests']:.3g}" for _, row in rows.iterrows())
        for name, rows in table.groupby("scenario", sort=False)
    ]
