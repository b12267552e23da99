"""The call that makes the report of finished runs again, and what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.configured import configured
from builders.finished import finished
from builders.refusals import refused

from kvbench.config.finished import arguments, needed

RUNS = [{"models": ["smollm2-135m"], "workloads": ["guide"], "engines": ["hf-batch", "vllm"]}]


def test_the_call_has_the_configuration_and_device_of_the_runs_and_the_given_rules_only(tmp_path: Path) -> None:
    call = arguments(finished(tmp_path, configured(runs=RUNS)), ("make_report", "plot_memory"))
    assert call[:5] == [
        *("--directory", str(tmp_path), "--replace-workflow-config"),
        *("--configfile", str(tmp_path / "results/config.yaml")),
    ]
    assert call[5:7] == ["--config", "device=cuda"]
    assert call[-6:] == ["--allowed-rules", "results", "make_report", "plot_memory", "--", "results"]


def test_without_a_device_that_of_the_configuration_holds(tmp_path: Path) -> None:
    assert "--config" not in arguments(finished(tmp_path, configured(runs=[]), None), ("make_report",))


@pytest.mark.parametrize("name", ["config.yaml", "environment.json"])
def test_a_folder_without_results_is_refused(tmp_path: Path, name: str) -> None:
    (finished(tmp_path, configured(runs=RUNS)) / "results" / name).unlink()
    with refused(rf"results/{name}: not found; name the folder of a finished run"):
        arguments(tmp_path, ("make_report",))


def test_the_first_missing_file_is_named_and_the_others_counted(tmp_path: Path) -> None:
    folder = finished(tmp_path, configured(runs=RUNS))
    (folder / "results/maps/smollm2-135m/guide.json.gz").unlink()
    with refused(r"guide\.json\.gz: not found; complete the run with `make run`, or copy all of results/"):
        arguments(folder, ("make_report",))
    (folder / "results/runs/smollm2-135m/vllm/guide/base/kv.parquet").unlink()
    with refused(r"vllm/guide/base/kv\.parquet: not found \(1 more are missing\); "):
        arguments(folder, ("make_report",))


def test_what_was_measured_beside_the_runs_is_needed_with_runs_only() -> None:
    both = {"results/bandwidth.json", "results/paging_price.json", "results/paging_price.parquet"}
    assert both <= set(needed(configured(runs=RUNS)))
    assert both & set(needed(configured(runs=RUNS, paging_price=None))) == {"results/bandwidth.json"}
    assert needed(configured(runs=[])) == []
