"""Which figures exist, what each reads and where it is written, without Snakemake."""

from __future__ import annotations

import pytest
from builders.overlaid import overlaid

from kvbench.config import figure_files, paths
from kvbench.config.runs import RunName
from kvbench.figures.registry import FIGURES, OF_KERNEL, OF_PLAN, OF_REPLAY, OF_WORKLOAD, Entry

REPLAYED = ("replay.json", "series.parquet", "steps.parquet")
NAMES = {"model": "m", "workload": "w", "scenario": "s"}
RUNS = [RunName("m", engine, "w") for engine in ("hf-batch", "vllm")]
SHARED = [RunName("m", "vllm", "w", f"prefix_sharing-{value}") for value in ("false", "true")]
OTHER = [RunName("m", "vllm", "another"), RunName("n", "vllm", "w")]


def entry(name: str) -> Entry:
    [found] = [one for one in FIGURES if one.name == name]
    return found


def inputs(name: str) -> dict:
    return figure_files.figure_inputs(entry(name), [*RUNS, *SHARED, *OTHER], NAMES)


def test_a_figure_of_runs_reads_those_of_its_model_and_workload_alone() -> None:
    found = inputs("memory")
    assert list(found) == ["runs", "data"]
    assert found["runs"] == [f"{run.folder}/run.json" for run in (*RUNS, *SHARED)]
    assert found["data"][:2] == [f"results/runs/m/hf-batch/w/base/{name}.parquet" for name in ("requests", "kv")]


def test_a_figure_of_a_sweep_reads_its_points_alone() -> None:
    found = inputs("sharing")
    assert found["runs"] == [f"{run.folder}/run.json" for run in SHARED]
    assert found["table"] == "results/tables/sharing.csv"
    assert found["published"].endswith("config/published.yaml")


def test_a_figure_with_a_replay_beside_reads_it() -> None:
    found = inputs("preemption")
    assert found == {"table": "results/tables/sweeps.csv", "replays": "results/sweeps/m/w/kv_budget_mib.csv"}
    assert inputs("block_size")["replays"] == "results/sweeps/m/w/block_size.csv"


def test_figures_over_rates_exist_where_requests_arrive_at_one_and_read_the_prediction() -> None:
    of_file = [RunName("m", "vllm", "w", "requests_per_s-file")]
    at_rate = [RunName("m", "vllm", "w", "requests_per_s-0.5")]
    rated = {"latency_rate", "request_time"}
    assert rated <= set(figure_files.figures_of([*RUNS, *at_rate]))
    assert not rated & set(figure_files.figures_of([*RUNS, *SHARED, *of_file]))
    assert {"latency", "throughput", "roofline"} <= set(figure_files.figures_of([*RUNS, *at_rate]))
    assert not {"latency", "throughput", "roofline"} & set(figure_files.figures_of([*at_rate, *of_file]))
    found = inputs("latency_rate")
    assert found["table"] == "results/tables/serving.csv"
    assert found["predicted"] == "results/serving/m/w/predicted.csv"
    assert found["sustained"] == "results/serving/m/w/predicted_capacity.csv"
    assert inputs("request_time")["slowest_requests"] == "results/tables/slowest_requests.csv"


def test_figures_without_runs_read_their_one_file() -> None:
    assert inputs("kv_waste") == {"table": "results/tables/kv_waste.csv"}
    assert inputs("workload_lengths") == {"workload": "results/workloads/m/w.parquet"}
    assert list(inputs("largest_batch")) == ["shapes"]


@pytest.mark.parametrize("one", FIGURES, ids=lambda one: one.name)
def test_every_figure_reads_something_and_is_logged_by_its_wildcards(one: Entry) -> None:
    assert figure_files.figure_inputs(one, RUNS, NAMES)
    place = {OF_WORKLOAD: "/{model}/{workload}", OF_REPLAY: "/{scenario}", OF_PLAN: "", OF_KERNEL: ""}[one.of]
    assert one.job == f"plot_{one.name}{place}"


def test_figures_of_all_runs_in_all_formats() -> None:
    found = figure_files.run_figures([*RUNS, *SHARED, *OTHER], ["pdf", "svg"])
    assert found[:2] == ["results/figures/m/another/memory.pdf", "results/figures/m/another/memory.svg"]
    assert {"results/figures/m/w/parity.svg", "results/figures/m/w/sharing.pdf"} <= set(found)
    assert "results/figures/n/w/parity.svg" not in found
    assert len(set(found)) == len(found)


def test_the_attention_kernel_has_a_figure_only_on_cuda() -> None:
    config = overlaid()
    found = figure_files.kernel_figures({**config, "device": "cuda"}, RUNS, ["png"])
    assert found == ["results/figures/kernel/paging_price.png"]
    assert figure_files.kernel_figures({**config, "device": "cpu"}, RUNS, ["png"]) == []
    assert figure_files.kernel_figures({**config, "device": "cuda"}, [], ["png"]) == []
    assert (
        figure_files.kernel_figures({**config, "device": "cuda", "paging_price": {"layouts": {}}}, RUNS, ["png"]) == []
    )


def test_figures_of_replays_and_plans() -> None:
    config = overlaid()
    scenarios = list(config["replays"])
    found = figure_files.replay_files(config, ["png"])
    made = [f"results/replays/{name}/{file}" for name in scenarios for file in REPLAYED]
    assert found[: len(made)] == made
    assert f"results/figures/replays/{scenarios[0]}/replay_waste.png" in found
    assert len(found) == 5 * len(scenarios)
    one, other = scenarios
    asked = {**config, "replays": {one: config["replays"][one], other: {**config["replays"][other], "hit_rate": {}}}}
    more = set(figure_files.replay_files(asked, ["png"])) - set(found)
    assert more == {f"results/figures/replays/{other}/hit_rate.png", f"results/replays/{other}/hit_rate.csv"}
    assert paths.hit_rate_files(asked) == [f"results/replays/{other}/hit_rate.csv"]
    assert set(paths.tables(asked, [])) - set(paths.tables(config, [])) == {"results/tables/hit_rates.csv"}
    asked = {**config, "replays": {one: config["replays"][one], other: {**config["replays"][other], "fleet": {}}}}
    more = set(figure_files.replay_files(asked, ["png"])) - set(found)
    assert more == {f"results/figures/replays/{other}/fleet.png", f"results/replays/{other}/fleet.json"}
    assert paths.fleet_files(asked) == [f"results/replays/{other}/fleet.json"]
    assert set(paths.tables(asked, [])) - set(paths.tables(config, [])) == {"results/tables/fleets.csv"}
    assert figure_files.replay_files({**config, "replays": {}}, ["png"]) == []
    runs = [{**config["runs"][0], "requests_per_s": 2}]
    predicted, capacity = figure_files.replay_files({**config, "replays": {}, "runs": runs}, ["png"])
    assert predicted.endswith("/predicted.csv")
    assert capacity.endswith("/predicted_capacity.csv")
    assert figure_files.capacity_files(config, ["png"]) == [
        "results/tables/capacity.csv",
        "results/tables/kv_by_context.csv",
        "results/capacity.html",
        "results/figures/capacity/largest_batch.png",
        "results/figures/capacity/kv_by_context.png",
    ]
    assert figure_files.capacity_files({**config, "capacity": {}}, ["png"]) == []
