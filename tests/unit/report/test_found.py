"""What a call ends with: four numbers of the workload where memory binds, and how to open the report."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
from builders.places import GALLERY

from kvbench.analysis.results import read_table
from kvbench.report.found import LINES, in_short

GALLERIES = sorted(path.parent.name for path in GALLERY.glob("*/tables"))
LAST = "Report: results/report.html; open it with: make serve"


def tables_of(gallery: str) -> dict[str, pd.DataFrame]:
    return {path.stem: read_table(path) for path in (GALLERY / gallery / "tables").glob("*.csv")}


def lines(tables: dict[str, pd.DataFrame], *pairs: tuple[str, str], has_capacity: bool = False) -> list[str]:
    runs = [SimpleNamespace(model=model, workload=workload) for model, workload in pairs]
    return in_short(tables, [*runs, *runs], has_capacity=has_capacity).splitlines()


def by_hand() -> dict[str, pd.DataFrame]:
    """Tables of two workloads of model m; memory binds in `long`."""
    both = [{"model": "m", "workload": name, "point": "base"} for name in ("short", "long")]
    speeds = {"numerator_output_tokens_per_s_median": 300.0, "denominator_output_tokens_per_s_median": 150.0}
    arms = {"numerator": "vllm", "denominator": "vllm-reserved"}
    measured = {"ratio": 2.0, "ratio_ci95_low": 1.5, "ratio_ci95_high": 2.5, **speeds}
    nothing = dict.fromkeys(["ratio", "ratio_ci95_low", "ratio_ci95_high"])
    waiting = "steps_waiting_for_blocks_share"
    waited = f"numerator_{waiting}"
    attribution = [
        {**both[0], **arms, "scope": "all", **nothing, "reason": "no request waited", waited: 0.1},
        {**both[1], **arms, "scope": "sequential", **measured, "ratio": 9.0, waited: 0.8},
        {**both[1], **arms, "scope": "all", **measured, waited: 0.8},
        {**both[0], **arms, "denominator": "hf-batch", "scope": "all", **measured, "ratio": 4.0},
    ]
    repeats = [
        {
            **names,
            "engine": engine,
            "scope": scope,
            "running_mean_requests": mean,
            "steps_waiting_for_blocks_share": share,
        }
        for names in both
        for engine, scope, mean, share in [
            *(("vllm", "all", 7.0, 0.7), ("vllm", "all", 9.0, 0.9), ("vllm", "sequential", 1.0, 0.0)),
            *(("hf-batch", "all", 2.0, None), ("vllm-reserved", "all", 4.0, 0.0)),
        ]
    ]
    waste = [
        {**both[1], "engine": engine, "scope": "all", "live_share_of_allocated": share}
        for engine, share in [("hf-batch", 0.3), ("vllm-reserved", 0.9), ("vllm-contiguous", 0.25), ("vllm", 0.875)]
    ]
    same = {"engine": "vllm", "gate": None, "comparable": "yes", "share_equal": 0.75, "requests_compared": 8}
    sampled = {**same, "comparable": "no: sampled", "share_equal": None}
    parity = [
        {**both[1], **same},
        {**both[0], **sampled},
        {**both[1], **same, "engine": "hf-batch", "share_equal": 0.1},
    ]
    frames = {"attribution": attribution, "repeats": repeats, "kv_waste": waste, "parity": parity}
    return {name: pd.DataFrame(rows) for name, rows in frames.items()}


def test_the_four_numbers_are_of_the_workload_where_memory_binds() -> None:
    assert lines(by_hand(), ("m", "short"), ("m", "long"), has_capacity=True) == [
        "m, long: requests waited for blocks in 80% of vllm's steps (1 more in the report)",
        "  Requests at once in the same memory: 8 in vllm, 4 in vllm-reserved.",
        "  Allocated slots that hold a token: 87.5% in vllm, 25.0% in vllm-contiguous.",
        "  Paging's own factor: 2 [1.5, 2.5] times the output tokens per second of vllm-reserved (300 against 150).",
        "  Same tokens: 75% of 8 requests, vllm and hf-batch.",
        "Report: results/report.html; plan: results/capacity.html; open it with: make serve",
    ]


def test_a_number_that_is_missing_has_its_reason() -> None:
    assert lines(by_hand(), ("m", "short")) == [
        "m, short: requests waited for blocks in 80% of vllm's steps",
        "  Requests at once in the same memory: 8 in vllm, 4 in vllm-reserved.",
        "  Allocated slots that hold a token: no number.",
        "  Paging's own factor: no number, no request waited.",
        "  vllm as a whole: 4 [1.5, 2.5] times the output tokens per second of hf-batch (300 against 150).",
        "  Same tokens: not compared on these requests, sampled.",
        LAST,
    ]


@pytest.mark.parametrize("gallery", GALLERIES)
def test_the_lines_are_few_and_short_in_every_gallery(gallery: str) -> None:
    tables = tables_of(gallery)
    pairs = tables["throughput"][["model", "workload"]].drop_duplicates().itertuples(index=False, name=None)
    found = lines(tables, *pairs)
    assert 6 <= len(found) <= LINES
    assert found[-1] == LAST
    assert max(map(len, found)) <= 140
    assert not [line for line in found if "nan" in line]


def test_the_numbers_of_a_gallery_are_those_of_its_tables() -> None:
    tables = tables_of("h100")
    found = "\n".join(lines(tables, ("smollm2-135m", "mixed")))
    rows = tables["attribution"].query("workload == 'mixed' and scope == 'all' and denominator == 'vllm-reserved'")
    row = rows[rows["numerator"] == "vllm"].iloc[0]
    assert (
        f"Paging's own factor: {row['ratio']:.3g} [{row['ratio_ci95_low']:.3g}, {row['ratio_ci95_high']:.3g}]" in found
    )


def test_replays_are_told_by_requests_at_once() -> None:
    table = tables_of("cpu-2-cores")["replays"]
    [line, *others] = lines({"replays": table})
    assert line == "Nothing was measured: runs is empty."
    assert len(others) == table["scenario"].nunique() + 1
    first = table[table["scenario"] == table["scenario"].iloc[0]].set_index("policy")["running_mean_requests"]
    assert f"paged {first['paged']:.3g}" in others[0]
    assert others[0].startswith(f"Replay {table['scenario'].iloc[0]}, requests at once: reserve-max ")


def test_many_replays_are_counted() -> None:
    table = pd.DataFrame([{"scenario": f"s{n}", "policy": "paged", "running_mean_requests": 2} for n in range(12)])
    found = lines({"replays": table})
    assert len(found) == LINES
    assert found[-2] == "5 more replays are in the report."
    assert found[-3] == "Replay s6, requests at once: paged 2"
