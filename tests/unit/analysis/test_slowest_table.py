"""The table of slow requests has the slowest of the window, and parts that add up to their time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.arriving_runs import write_arriving
from builders.runs import write_run

from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import slowest
from kvbench.analysis.tables.serving import repeats_of


def test_it_has_the_ten_slowest_of_all_repeats_in_the_window(tmp_path: Path) -> None:
    [run] = load_runs([write_arriving(tmp_path, "vllm", 8, repeats=3)])
    found = slowest.table([run])
    times = np.concatenate([one.latencies.e2e_s for one in repeats_of(run)])
    assert found["e2e_s"].tolist() == pytest.approx(np.sort(times)[::-1][: slowest.MOST])
    np.testing.assert_allclose(found[list(slowest.PARTS)].sum(axis=1), found["e2e_s"], atol=1e-8)
    rows = run.requests.set_index(["process", "repeat", "request_id"])
    first = found.iloc[0]
    row = rows.loc[(first["process"], first["repeat"], first["request_id"])]
    assert first["e2e_s"] == row["finish_s"] - first["due_s"]
    assert first["ttft_s"] == row["first_token_s"] - first["due_s"]
    assert first["memory_wait_s"] == pytest.approx(row["memory_wait_ns"] / 1e9)
    assert first["output_tokens"] == row["output_tokens"]


def test_each_run_has_its_own_and_runs_without_arrivals_have_none(tmp_path: Path) -> None:
    paths = [write_arriving(tmp_path, "vllm", rate, repeats=1) for rate in (0.5, 8)]
    runs = load_runs([*paths, write_run(tmp_path, "vllm", repeats=1)])
    assert slowest.table(runs)["point"].value_counts().to_dict() == {"requests_per_s-0.5": 10, "requests_per_s-8": 10}
    none = slowest.table([run for run in runs if not run.arrives])
    assert none.empty
    assert list(none) == list(slowest.table(runs))


def test_fewer_requests_than_ten_are_all_there(tmp_path: Path) -> None:
    [run] = load_runs([write_arriving(tmp_path, "vllm", 1, requests=4, repeats=1)])
    assert len(slowest.table([run])) == sum(len(one.counted) for one in repeats_of(run)) < slowest.MOST
