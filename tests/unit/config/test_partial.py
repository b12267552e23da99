"""The runs that are there, and the names of those that are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders.configured import configured
from builders.finished import finished
from builders.refusals import refused

from kvbench.config.finished import arguments, needed
from kvbench.config.partial import leave_out_missing
from kvbench.config.runs import parity_list, run_list

MODEL = "smollm2-135m"
ENTRY = {"models": [MODEL], "workloads": ["guide", "mixed"], "engines": ["hf-batch", "vllm"]}
SWEEP = {**ENTRY, "workloads": ["mixed"], "engines": ["vllm"], "sweep": {"block_size": [32, 64, 128]}}


def part(config: dict[str, Any], *missing: str) -> tuple[dict[str, Any], list[str]]:
    """The configuration without the files that contain one of `missing`, and what is left out."""
    files = {name for name in needed(config) if not any(part in name for part in missing)}
    return config, leave_out_missing(config, files.__contains__)


def test_a_complete_experiment_stays_what_it_is() -> None:
    config = configured(runs=[ENTRY, SWEEP], processes=2)
    before, gate = sorted(run_list(config)), parity_list(config)
    config, left_out = part(config)
    assert left_out == []
    assert sorted(run_list(config)) == before
    assert parity_list(config) == gate
    assert config["slo"]["bisections"] == 2


def test_a_run_without_one_of_its_files_is_left_out() -> None:
    config, left_out = part(configured(runs=[ENTRY, SWEEP]), "vllm/guide/base/kv", "block_size-64/run.json")
    assert left_out == [f"{MODEL}/vllm/guide/base", f"{MODEL}/vllm/mixed/block_size-64"]
    kept = [f"{run.engine}/{run.workload}/{run.place}" for run in sorted(run_list(config))]
    points = [f"vllm/mixed/{point}" for point in ("base", "block_size-128", "block_size-32")]
    assert kept == ["hf-batch/guide/base", "hf-batch/mixed/base", *points]
    assert set(needed(config)) & {f"results/runs/{name}/run.json" for name in left_out} == set()


def test_processes_count_up_to_the_first_that_is_missing() -> None:
    config = configured(runs=[{**ENTRY, "workloads": ["guide"], "processes": 4}])
    config, left_out = part(config, "vllm/guide/base.process-3", "hf-batch/guide/base/")
    assert left_out == [
        *(f"{MODEL}/hf-batch/guide/base{end}" for end in ("", ".process-2", ".process-3", ".process-4")),
        *(f"{MODEL}/vllm/guide/base{end}" for end in (".process-3", ".process-4")),
    ]
    assert [run.place for run in run_list(config)] == ["base", "base.process-2"]


def test_what_the_parity_gate_did_not_see_is_left_out() -> None:
    config, left_out = part(configured(runs=[ENTRY]), "vllm/parity/base/margins")
    assert left_out == [f"{MODEL}/vllm/{workload}/base" for workload in ("guide", "mixed")]
    assert {run.engine for run in run_list(config)} == {"hf-batch"}
    config, left_out = part(configured(runs=[ENTRY]), "hf-batch/parity/base/run.json")
    assert len(left_out) == 4
    assert run_list(config) == parity_list(config) == []


def test_benchmarks_and_times_of_the_kernel_that_are_missing_are_left_out() -> None:
    own = {"kind": "peer-vllm", "model": MODEL, "workload": "mixed", "passes": 6}
    benchmarks = {"there": own, "absent": own, "without-run": {**own, "workload": "guide"}}
    config = configured(runs=[ENTRY], benchmarks=benchmarks)
    config, _ = part(config, "absent.json", "paging_price.json", "vllm/guide/base/run.json")
    assert list(config["benchmarks"]) == ["there"]
    assert config["paging_price"]["layouts"] == {}


def test_no_rate_is_looked_for_between_those_of_a_part() -> None:
    rates = {**ENTRY, "workloads": ["mixed"], "sweep": {"requests_per_s": [1, 2]}}
    config, left_out = part(configured(runs=[rates]), "vllm/mixed/requests_per_s-2/")
    assert left_out == [f"{MODEL}/vllm/mixed/requests_per_s-2"]
    assert config["slo"]["bisections"] == 0


def test_a_call_for_a_part_needs_a_run_and_no_map(tmp_path: Path) -> None:
    folder = finished(tmp_path, configured(runs=[{**ENTRY, "workloads": ["guide"]}]))
    (folder / f"results/maps/{MODEL}/guide.json.gz").unlink()
    (folder / f"results/runs/{MODEL}/vllm/guide/base/run.json").unlink()
    with refused(r"run\.json: not found \(1 more are missing\); .*`make report ARGS=--partial` leaves out"):
        arguments(folder, ("make_report",))
    assert arguments(folder, ("make_report",), partial=True)[-2:] == ["--", "results"]
    (folder / f"results/runs/{MODEL}/hf-batch/guide/base/run.json").unlink()
    with refused(r"results/runs: none of the runs is complete; "):
        arguments(folder, ("make_report",), partial=True)


@pytest.mark.parametrize("name", ["results/bandwidth.json"])
def test_what_all_runs_share_is_needed_by_a_part_too(tmp_path: Path, name: str) -> None:
    folder = finished(tmp_path, configured(runs=[ENTRY]))
    (folder / name).unlink()
    with refused(rf"{name}: not found; "):
        arguments(folder, ("make_report",), partial=True)
