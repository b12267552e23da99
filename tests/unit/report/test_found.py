"""The summary printed at the end is the beginning of the report, in about ten lines."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
from builders.places import GALLERY

from kvbench.analysis.results import read_table
from kvbench.report.found import LONGEST, SENTENCES, UNKNOWN, in_short
from kvbench.report.summary import sentences


def found(gallery: str, *workloads: str, has_capacity: bool = False) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return a gallery's tables and the summary lines on these workloads."""
    tables = {path.stem: read_table(path) for path in (GALLERY / gallery / "tables").glob("*.csv")}
    runs = [SimpleNamespace(model="smollm2-135m", workload=name) for name in workloads]
    return tables, in_short(tables, [*runs, *runs], has_capacity=has_capacity).splitlines()


def test_it_begins_as_the_report_does_and_says_where_the_rest_is() -> None:
    tables, lines = found("cpu-2-cores", "guide", "mixed", has_capacity=True)
    of_runs = {name: table for name, table in tables.items() if {"model", "workload"} <= set(table)}
    names = [f"smollm2-135m, {name}" for name in ("guide", "mixed")]
    assert [line for line in lines if line in names] == names
    for name, after in zip(("guide", "mixed"), (lines[1:], lines[lines.index(names[1]) + 1 :]), strict=True):
        told = [line.strip() for line in after[: SENTENCES // 2]]
        short = [s for s in sentences(of_runs, "smollm2-135m", name) if len(s) <= LONGEST and UNKNOWN not in s]
        assert told == short[: SENTENCES // 2]
    assert any(line.startswith("  Capacity of paging, vllm over vllm-reserved") for line in lines)
    assert lines[-1] == "All of it: results/report.html; the plan: results/capacity.html"
    assert len(lines) <= 14


@pytest.mark.parametrize("workloads", [("mixed",), ("alpaca", "five-shot", "four-samples", "mixed", "one-shot")])
def test_many_workloads_share_the_lines(workloads: tuple[str, ...]) -> None:
    _, lines = found("cpu-2-cores-paper", *workloads)
    assert len(lines) <= max(SENTENCES, len(workloads)) + len(workloads) + 3
    assert all(line.startswith("  ") for line in lines[1 : 2 * len(workloads) : 2])
    assert lines[-1] == "All of it: results/report.html"


def test_replays_are_told_by_requests_at_once() -> None:
    tables, _ = found("cpu-2-cores")
    table = tables["replays"]
    [line, *others] = in_short({"replays": table}, [], has_capacity=False).splitlines()
    assert line == "Nothing was measured: runs is empty."
    assert len(others) == table["scenario"].nunique() + 1
    first = table[table["scenario"] == table["scenario"].iloc[0]].set_index("policy")["running_mean_requests"]
    assert f"paged {first['paged']:.3g}" in others[0]
    assert others[0].startswith(f"Replay {table['scenario'].iloc[0]}, requests at once: reserve-max ")
