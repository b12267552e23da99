"""Paths of the pipeline's files, and which of them a configuration requests, without Snakemake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from builders.overlaid import overlaid
from builders.runs import write_runs

from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import of_runs, sweeps
from kvbench.config import paths
from kvbench.config.runs import RunName, run_list

RUNS = [
    RunName("m", "vllm", "w"),
    RunName("m", "vllm", "w", process=2),
    RunName("m", "hf-batch", "other", "block_size-16"),
    RunName("a", "vllm", "w"),
]


@pytest.fixture(scope="module")
def config() -> dict:
    return overlaid()


def test_each_run_has_a_record_and_its_parquet_files() -> None:
    assert paths.record_files(RUNS[:3]) == [
        "results/runs/m/vllm/w/base/run.json",
        "results/runs/m/vllm/w/base.process-2/run.json",
        "results/runs/m/hf-batch/other/block_size-16/run.json",
    ]
    data = paths.data_files(RUNS[:1])
    folder = "results/runs/m/vllm/w/base"
    assert data == [f"{folder}/{name}.parquet" for name in ("requests", "kv", "device", "blocks", "margins")]


def test_what_runs_share_is_named_once() -> None:
    assert paths.pairs_of(RUNS) == [("a", "w"), ("m", "other"), ("m", "w")]
    assert paths.workloads_of(RUNS) == [f"results/workloads/{name}.parquet" for name in ("a/w", "m/other", "m/w")]
    sources = paths.source_files(RUNS)
    assert sources[:3] == ["results/environment.json", "results/bandwidth.json", "results/config.yaml"]
    assert sources[3:5] == ["resources/models/a/model.json", "resources/models/m/model.json"]
    assert sources[5:] == paths.workloads_of(RUNS)


def test_without_a_run_there_is_no_bandwidth_to_measure_and_no_table_but_of_replays(config: dict) -> None:
    assert paths.source_files([]) == ["results/environment.json", "results/config.yaml"]
    assert paths.tables(config, []) == ["results/tables/replays.csv"]
    assert paths.tables({**config, "replays": {}}, []) == []
    with_runs = paths.tables({**config, "replays": {}}, RUNS)
    assert "results/tables/throughput.csv" in with_runs
    assert "results/tables/replays.csv" not in with_runs
    assert len(set(with_runs)) == len(with_runs)


def test_a_paper_has_tables_that_there_are_and_nothing_without_a_run(config: dict) -> None:
    assert paths.paper_files([]) == []
    found = paths.paper_files(RUNS)
    assert found[-2:] == ["results/methods.txt", "results/methods.tex"]
    made = {Path(path).stem for path in paths.tables(config, RUNS)}
    assert {Path(path).stem for path in found[:-2]} <= made
    assert "results/tables/latex/kv_waste.tex" in found


def test_the_rule_writes_the_tables_that_there_are_of_runs(tmp_path: Path) -> None:
    runs = load_runs(write_runs(tmp_path, ["hf-batch", "vllm"]))
    bandwidth = {"device": "cpu", "copy": [{"gpu": None, "bytes_per_s": 1e10}]}
    assert set(of_runs.tables(runs, bandwidth, 0)) == set(paths.SUMMARISED)


def test_sweeps_that_are_replayed_are_those_that_their_table_takes() -> None:
    assert set(paths.REPLAYED_SWEEPS) == set(sweeps.SWEPT)


def test_targets_read_tables_that_there_are() -> None:
    assert set(paths.TABLES_WITH_TARGETS) <= set(paths.TABLES_OF_RUNS)


def test_sweeps_are_replayed_over_their_points(config: dict) -> None:
    entry = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm", "hf-batch"]}
    swept = {**config, "runs": [{**entry, "sweep": {"block_size": [32, 64]}}]}
    runs = run_list(swept)
    points = paths.record_files(run for run in runs if run.engine == "vllm")
    assert paths.swept_records(swept, "smollm2-135m", "mixed", "block_size") == points
    assert paths.sweep_files(swept, runs) == ["results/sweeps/smollm2-135m/mixed/block_size.csv"]
    assert paths.record_files(paths.swept_in_all(swept, runs, "block_size")) == points
    assert set(paths.swept_data(swept, runs)) == set(paths.data_files(run for run in runs if run.engine == "vllm"))
    assert paths.sweep_files(config, run_list(config)) == []


def test_latencies_are_predicted_where_requests_arrive_at_rates(config: dict) -> None:
    entry = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm", "hf-batch"]}
    rates = [{**entry, "sweep": {"requests_per_s": [1, 2.5]}}, {**entry, "engines": ["hf-static"], "requests_per_s": 2}]
    others = [entry, {**entry, "workloads": ["alpaca"], "requests_per_s": "file"}]
    served = {**config, "runs": [*rates, *others]}
    assert paths.predicted_files(served) == ["results/serving/smollm2-135m/mixed/predicted.csv"]
    assert paths.predicted_capacity_files(served) == ["results/serving/smollm2-135m/mixed/predicted_capacity.csv"]
    for files in (paths.predicted_files, paths.predicted_capacity_files):
        assert files({**config, "runs": others}) == []
    searched = [RunName("smollm2-135m", "vllm", "mixed", "requests_per_s-1.5")]
    inputs = paths.predicted_inputs(served, "smollm2-135m", "mixed", searched)
    runs = [
        run for run in run_list(served) if run.point in ("requests_per_s-1", "requests_per_s-2.5", "requests_per_s-2")
    ]
    assert len(runs) == 5
    runs += searched
    assert inputs == {"runs": paths.record_files(runs), "data": paths.data_files(runs)}


def test_a_benchmark_reads_the_model_and_the_requests_of_its_run(config: dict) -> None:
    own = {"kind": "peer-vllm", "model": "smollm2-135m", "workload": "mixed", "passes": 6, "batch": "fit"}
    asked = {**config, "benchmarks": {"vllm": own, "a": own}}
    assert paths.benchmark_files(asked) == ["results/benchmarks/a.json", "results/benchmarks/vllm.json"]
    assert paths.benchmark_inputs(asked, "vllm") == {
        "model": "resources/models/smollm2-135m/model.json",
        "workload": "results/workloads/smollm2-135m/mixed.parquet",
    }


def test_plans_read_the_models_that_they_name(config: dict) -> None:
    plans = {"a": {"model": "smollm2-135m"}, "b": {"model": "opt-13b"}, "c": {"shape": {}}}
    assert paths.planned_models({**config, "capacity": plans}) == ["resources/models/smollm2-135m/model.json"]


def test_the_file_of_a_users_requests(config: dict) -> None:
    own = {"mine": {"kind": "user", "file": "/data/mine.csv"}}
    assert paths.user_file({"workloads": own}, "workloads", "mine") == ["/data/mine.csv"]
    assert paths.user_file({"workloads": own}, "workloads", "parity") == []
    assert paths.user_file(config, "workloads", "mixed") == []


def test_files_of_the_project_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = paths.of_project("config/claims.yaml")
    assert not os.path.isabs(path)
    assert Path(path).read_bytes() == (paths.PROJECT / "config/claims.yaml").read_bytes()


def test_a_page_is_made_from_its_template_and_captions() -> None:
    report, plan = paths.page_sources("report"), paths.page_sources("capacity", "largest_batch")
    assert "captions/memory.rst" in report
    assert [name for name in plan if name.startswith("captions/")] == ["captions/largest_batch.rst"]
    templates = paths.PROJECT / "scripts/kvbench/report/templates"
    of_plan = {
        path for path in templates.rglob("*") if path.is_file() and "capacity" in str(path.relative_to(templates))
    }
    others = {templates / "picture.html.j2", *of_plan}
    own = {path for path in templates.rglob("*") if path.is_file() and path not in others}
    own |= {paths.PROJECT / "CITATION.cff"}
    assert own == {paths.PROJECT / name for name in report if not name.startswith("captions/")}
    shared = {templates / name for name in ("macros.html.j2", "style.css")}
    assert of_plan | shared == {paths.PROJECT / name for name in plan if not name.startswith("captions/")}
    for name in (*report, *plan):
        assert (paths.PROJECT / name).is_file(), name


def test_a_map_is_asked_for_where_an_engine_with_blocks_runs_at_base() -> None:
    runs = [
        *RUNS,
        RunName("b", "hf-continuous", "w"),
        RunName("b", "hf-static", "contiguous-alone"),
        RunName("b", "vllm", "swept-alone", "block_size-32"),
    ]
    names = [f"results/maps/{name}.json.gz" for name in ("a/w", "b/w", "m/w")]
    nothing = {"runs": [], "processes": 1}
    assert paths.maps(nothing, runs) == names
    assert paths.maps(nothing, []) == []


def test_a_rate_has_a_map_where_an_entry_names_it_alone(config: dict) -> None:
    entry = {"models": ["m"], "workloads": ["w"], "engines": ["vllm", "hf-batch"]}
    own = {**config, "runs": [{**entry, "requests_per_s": 2}, {**entry, "sweep": {"requests_per_s": [1, 4]}}]}
    assert paths.maps(own, run_list(own)) == ["results/maps/m/w/requests_per_s-2.json.gz"]
    found = paths.map_inputs(own, "m", "w", "requests_per_s-2")["runs"]
    assert found == [f"results/runs/m/{engine}/w/requests_per_s-2/run.json" for engine in ("vllm", "hf-batch")]


def test_a_map_shows_one_process_of_each_engine_at_base(config: dict) -> None:
    entry = {"models": ["smollm2-135m"], "workloads": ["mixed"]}
    runs = [
        {**entry, "engines": ["vllm", "hf-batch"], "processes": 2},
        {**entry, "engines": ["vllm"], "sweep": {"block_size": [32, 64]}},
    ]
    own = {**config, "runs": runs, "processes": 1}
    found = paths.map_inputs(own, "smollm2-135m", "mixed")
    folders = [f"results/runs/smollm2-135m/{engine}/mixed/base" for engine in ("vllm", "hf-batch")]
    assert found["runs"] == [f"{folder}/run.json" for folder in folders]
    assert found["data"] == [f"{folder}/{name}.parquet" for folder in folders for name in paths.RUN_FILES]
