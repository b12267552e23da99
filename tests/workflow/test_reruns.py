"""Which jobs a change reruns: real rules, parameters and digests, with scripts that write placeholder outputs."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from builders.model_folder import write_model_folder
from builders.tree import (
    described,
    planned,
    quick_project,
    ran,
    read_config,
    snakemake,
    stale,
    write_config,
)

from kvbench.config.figure_files import figures_of
from kvbench.config.runs import RunName
from kvbench.files import write_json
from kvbench.model.contents import remember
from kvbench.model.folder import file_digests
from kvbench.model.record import Architecture, ModelRecord

RUNS = {
    "runs": [
        {"models": ["smollm2-135m"], "workloads": ["guide", "mixed"], "engines": ["hf-batch", "vllm"]},
    ]
}
FIGURES = [
    name
    for name in figures_of([RunName("smollm2-135m", engine, "mixed") for engine in ("hf-batch", "vllm")])
    if name != "workload_lengths"  # which reads no run
]
ARCHITECTURE = Architecture(2, 4, 2, 32, 128, 512, 1000, 128)
HIT_RATES = {"workload": "mixed", "requests": 9, "pool_slots": 9000, "prefix_sharing": True, "shared_prefix_tokens": 64}
PRICE = {"measure_paging_price": 1, "summarise_paging_price": 1}
AFTER_CONFIG = {"write_config": 1, "write_methods": 1}
# Jobs that follow any run: parity and tables cover all runs, so every figure of a table is drawn again too.
# What published values are drawn beside, whatever the runs are; the page of plans shows one of the figures.
AFTER_PUBLISHED = {
    "plot_replay_waste": 2,
    "plot_batched_requests": 2,
    "summarise_kv_by_context": 1,
    "plot_kv_by_context": 1,
    "plan_capacity": 1,
    "make_report": 1,
}
AFTER_RUNS = {"check_parity": 1, "summarise_runs": 1, "summarise_sweeps": 1, "check_claims": 1, "check_targets": 1} | {
    "summarise_planned": 1,
    "summarise_serving": 1,
    "draw_block_map": 2,
    "make_report": 1,
    "write_latex": 1,
    "write_methods": 1,
    **{f"plot_{name}": 2 for name in FIGURES},
}


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree in which everything has been made."""
    tree = quick_project(tmp_path_factory.mktemp("finished") / "tree")
    settings = read_config(tree) | RUNS | {"device": "cpu"}
    write_config(tree, settings)
    done = snakemake(tree)
    assert done.returncode == 0, done.stderr
    return tree


@pytest.fixture
def tree(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "tree"))


def reconfigure(tree: Path, path: str, value: object) -> None:
    *parents, last = path.split("/")
    settings = read_config(tree)
    place = settings
    for part in parents:
        place = place[part]
    place[last] = value
    write_config(tree, settings)


def edit(tree: Path, name: str) -> None:
    path = tree / name
    path.write_text(path.read_text() + "\nEDITED = True\n")


def test_a_second_call_has_nothing_to_do(tree: Path) -> None:
    done = snakemake(tree)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_fresh_clone_beside_old_results_has_nothing_to_do(tree: Path, tmp_path: Path) -> None:
    clone = quick_project(tmp_path / "clone")
    shutil.copy(tree / "config.yaml", clone / "config.yaml")
    for name in ("results", "resources", ".snakemake"):
        shutil.copytree(tree / name, clone / name, copy_function=shutil.copy)
    files = [path for path in clone.rglob("*") if path.is_file() and ".snakemake" not in path.parts]
    random.Random(1).shuffle(files)
    for age, path in enumerate(files):
        os.utime(path, (2e9 - age, 1.8e9 - 10 * age))
    assert stale(clone) == {}


def test_a_job_that_fails_is_stale_until_it_succeeds(tree: Path) -> None:
    reconfigure(tree, "models/smollm2-135m/sha256", "0" * 64)
    (tree / "fail.txt").write_text("prepare_model")
    results = {path: path.read_bytes() for path in (tree / "results").rglob("*.*")}
    assert snakemake(tree, "--until", "prepare_model").returncode == 1
    assert stale(tree)["prepare_model"] == 1
    assert {path: path.read_bytes() for path in results} == results


def test_comments_in_code_make_nothing_stale(tree: Path) -> None:
    for path in (tree / "scripts").rglob("*.py"):
        path.write_text(path.read_text() + "\n# a remark\n")
    assert stale(tree) == {}


def test_code_of_a_plot_redraws_that_plot(tree: Path) -> None:
    edit(tree, "scripts/kvbench/figures/memory.py")
    assert stale(tree) == {"plot_memory": 2, "make_report": 1}


def test_an_option_of_a_plot_redraws_that_plot(tree: Path) -> None:
    reconfigure(tree, "figures/options", {"latency": {"width_in": 3.5}})
    assert stale(tree) == {"plot_latency": 2, **AFTER_CONFIG, "make_report": 1}


@pytest.mark.parametrize("name", ["scripts/kvbench/report/templates/report.html.j2", "captions/memory.rst"])
def test_a_template_or_caption_makes_the_report_again(tree: Path, name: str) -> None:
    edit(tree, name)
    assert stale(tree) == {"make_report": 1}


def test_points_of_sharing_draw_a_figure_that_a_published_value_redraws(tree: Path) -> None:
    """The base point of mixed is gone, so only the plots of guide need no new run."""
    entry = {"models": ["smollm2-135m"], "engines": ["vllm"]}
    swept = {**entry, "workloads": ["mixed"], "sweep": {"prefix_sharing": [False, True]}}
    reconfigure(tree, "runs", [{**entry, "workloads": ["guide"], "engines": ["hf-batch", "vllm"]}, swept])
    found = ran(tree)
    assert (found["run_vllm"], found["plot_sharing"]) == (2, 1)
    path = tree / "config/published.yaml"
    path.write_text(path.read_text().replace("1.67", "1.68"))
    assert stale(tree) == {"plot_sharing": 1, **AFTER_PUBLISHED}


def test_points_of_sweeps_are_replayed_and_the_replays_code_reruns_no_engine(tree: Path) -> None:
    entry = {"models": ["smollm2-135m"], "engines": ["vllm"], "workloads": ["mixed"]}
    sweeps = [{"block_size": [32, 64]}, {"kv_budget_mib": [24, 48]}]
    reconfigure(tree, "runs", [{**entry, "sweep": sweep} for sweep in sweeps])
    found = ran(tree)
    drawn = {"plot_block_size": 1, "plot_preemption": 1}
    assert (found["run_vllm"], found["replay_sweep"]) == (4, 2)
    assert drawn.items() <= found.items()
    after = Counter(summarise_sweeps=1, make_report=1, **drawn)
    edit(tree, "scripts/kvbench/replay/kernels/paged.py")
    replays = Counter(run_replay=2, replay_sweep=2, plan_capacity=1, plot_largest_batch=1)
    assert stale(tree) == replays + after | Counter(AFTER_REPLAYS)
    ran(tree)
    edit(tree, "scripts/kvbench/analysis/tables/sweeps.py")
    assert stale(tree) == after
    ran(tree)
    path = tree / "config/published.yaml"
    path.write_text(path.read_text().replace("[16, 32]", "[16, 64]"))
    assert stale(tree) == {"plot_block_size": 1, **AFTER_PUBLISHED}


def test_a_benchmark_runs_again_alone_and_a_target_is_tested_again_without_it(tree: Path) -> None:
    own = {"kind": "recording", "model": "smollm2-135m", "workload": "mixed", "passes": 6}
    reconfigure(tree, "benchmarks", {"recording": own})
    after = {"summarise_benchmarks": 1, "check_targets": 1, "make_report": 1}
    assert ran(tree) == {"run_benchmark": 1, **AFTER_CONFIG, **after}
    reconfigure(tree, "benchmarks/recording/passes", 7)
    assert ran(tree) == {"run_benchmark": 1, **AFTER_CONFIG, **after}
    edit(tree, "benchmarks/recording_cost.py")
    assert ran(tree) == {"run_benchmark": 1, **after}
    path = tree / "config/targets.yaml"
    path.write_text(path.read_text().replace("threshold: 0.95", "threshold: 0.96"))
    assert stale(tree) == {"check_targets": 1, "make_report": 1}


def test_a_claim_is_judged_again_without_a_run(tree: Path) -> None:
    path = tree / "config/claims.yaml"
    path.write_text(path.read_text().replace("min_repeats: 6", "min_repeats: 7"))
    assert stale(tree) == {"check_claims": 1, "write_latex": 1, "make_report": 1}


def test_every_file_that_a_job_writes_is_asked_for(tree: Path) -> None:
    """Otherwise a lost one would not be made again while the files made from it are there."""
    own = {"kind": "recording", "model": "smollm2-135m", "workload": "mixed", "passes": 6}
    reconfigure(tree, "benchmarks", {"recording": own})
    reconfigure(tree, "replays", {"mine": {**HIT_RATES, "hit_rate": {}}})
    entry = {"models": ["smollm2-135m"], "engines": ["vllm"], "workloads": ["mixed"]}
    reconfigure(tree, "runs", [*RUNS["runs"], {**entry, "sweep": {"block_size": [32, 64]}}])
    jobs = described(tree, "--forceall")
    [asked] = [set(files["input"]) for rule, files in jobs if rule == "all"]
    made = {name for rule, files in jobs for name in files.get("output", ())}
    assert {"run_vllm", "run_benchmark", "find_hit_rates", "replay_sweep", "draw_block_map"} <= {
        rule for rule, _ in jobs
    }
    assert made == asked


@pytest.mark.parametrize("name", ["requests", "kv", "device", "blocks", "margins"])
def test_a_lost_file_of_a_run_comes_back_alone(tree: Path, name: str) -> None:
    (tree / f"results/runs/smollm2-135m/vllm/mixed/base/{name}.parquet").unlink()
    made = [output.split("/")[3:6] for rule, output in planned(tree) if rule.startswith("run_")]
    assert made == [["vllm", "mixed", "base"]]


def test_a_replaced_model_reruns_all_that_used_it_and_a_touched_one_nothing(tree: Path, tmp_path: Path) -> None:
    """A model in a folder of the user's, which Snakemake does not see."""
    mine = write_model_folder(tmp_path / "mine")
    folder = tree / "resources/models/smollm2-135m"
    record = ModelRecord("smollm2-135m", "path", mine, False, "auto", ARCHITECTURE, file_digests(mine), folder=folder)
    remember(record)
    write_json(folder / "model.json", record.to_json())
    ran(tree)
    os.utime(mine / "model.safetensors")
    assert stale(tree) == {}
    weights = bytearray((mine / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (mine / "model.safetensors").write_bytes(weights)
    found = stale(tree)
    assert found["prepare_model"] == 1
    assert (found["make_workload"], found["run_traditional"], found["run_vllm"]) == (3, 3, 3)
    assert AFTER_RUNS.items() <= found.items()


def test_a_workload_reruns_only_its_runs(tree: Path) -> None:
    reconfigure(tree, "workloads/mixed/requests", 17)
    jobs = planned(tree)
    # The figures without a table are drawn again for this workload alone.
    after = AFTER_RUNS | {"plot_memory": 1, "plot_workload_lengths": 1, "summarise_workloads": 1, "draw_block_map": 1}
    found = Counter(rule for rule, _ in jobs)
    assert found == {"make_workload": 1, "run_traditional": 1, "run_vllm": 1, **AFTER_CONFIG, **after}
    assert {output.split("/")[4] for rule, output in jobs if rule.startswith("run_")} == {"mixed"}


@pytest.mark.parametrize(
    ("module", "rule", "runs"),
    [("transformers/padded", "run_traditional", 3), ("vllm/runner", "run_vllm", 3)],
)
def test_code_of_an_engine_reruns_that_engine(tree: Path, module: str, rule: str, runs: int) -> None:
    """hf-batch: two workloads and parity, and hf-sequential's parity; vllm: two workloads and parity."""
    edit(tree, f"scripts/kvbench/engines/{module}.py")
    assert stale(tree) == {rule: runs, **AFTER_RUNS}


def test_another_version_of_vllm_reruns_vllm(tree: Path, tmp_path: Path) -> None:
    found = ran(tree, PYTHONPATH=install(tmp_path, "vllm", "99.0"))
    assert found == {"check_environment": 1, "run_vllm": 3, **PRICE, **AFTER_RUNS}


def test_code_of_the_check_reruns_the_check(tree: Path) -> None:
    edit(tree, "scripts/kvbench/machine/facts.py")
    assert ran(tree) == {"check_environment": 1, "write_methods": 1, "make_report": 1}


def test_code_shared_by_check_and_engines_reruns_all_of_them_in_one_call(tree: Path) -> None:
    edit(tree, "scripts/kvbench/machine/nvml.py")
    measured = {"measure_bandwidth": 1, "run_traditional": 3, "run_vllm": 3, **PRICE}
    assert ran(tree) == {"check_environment": 1, **measured, **AFTER_RUNS}


def install(folder: Path, name: str, version: str) -> str:
    """A folder for PYTHONPATH in which that version appears to be installed."""
    info = folder / "site" / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return str(info.parent)


def test_options_of_an_engine_rerun_that_engine(tree: Path) -> None:
    reconfigure(tree, "engines/vllm", {"max_num_seqs": 4})
    assert stale(tree) == {"run_vllm": 3, **AFTER_CONFIG, **AFTER_RUNS}


def test_more_repeats_rerun_the_measurements_but_not_parity(tree: Path) -> None:
    reconfigure(tree, "repeats", 7)
    assert stale(tree) == {"run_traditional": 2, "run_vllm": 2, **AFTER_CONFIG, **AFTER_RUNS}


def test_more_processes_make_only_the_further_ones_and_a_lost_one_comes_back_alone(tree: Path) -> None:
    reconfigure(tree, "processes", 2)
    made = [output.split("/")[5] for rule, output in planned(tree) if rule.startswith("run_")]
    assert made == ["base.process-2"] * 4
    after = {rule: jobs for rule, jobs in AFTER_RUNS.items() if rule != "draw_block_map"}  # maps are of process 1
    assert ran(tree) == {"run_traditional": 2, "run_vllm": 2, **AFTER_CONFIG, **after}
    (tree / "results/runs/smollm2-135m/vllm/mixed/base.process-2/run.json").unlink()
    made = [output.split("/")[3:6] for rule, output in planned(tree) if rule.startswith("run_")]
    assert made == [["vllm", "mixed", "base.process-2"]]


def test_the_seed_sets_the_order_of_runs_behind_the_gate(tree: Path) -> None:
    def order(seed: int) -> list[str]:
        reconfigure(tree, "seed", seed)
        ran(tree)
        outputs = [line.split()[1] for line in (tree / "ran.txt").read_text().splitlines()]
        runs = [output for output in outputs if output.startswith("results/runs/")]
        return [output.removeprefix("results/runs/smollm2-135m/").rpartition("/")[0] for output in runs]

    reconfigure(tree, "processes", 2)
    first, second = order(1), order(2)
    assert ["parity" in name for name in first] == [True] * 2 + [False] * 8
    assert sorted(first) == sorted(second)
    assert sorted(first[2:]) != first[2:] != second[2:]
    assert order(1) == first


def test_an_added_run_makes_only_itself(tree: Path) -> None:
    settings = read_config(tree)
    settings["runs"].append({"models": ["smollm2-135m"], "workloads": ["guide"], "engines": ["hf-static"]})
    reconfigure(tree, "runs", settings["runs"])
    made = {tuple(output.split("/")[3:5]) for rule, output in planned(tree) if rule.startswith("run_")}
    assert made == {("hf-static", "guide"), ("hf-static", "parity")}


def test_a_point_of_a_sweep_is_made_alone_when_it_is_new_lost_or_of_another_value(tree: Path) -> None:
    def sweep(*sizes: int) -> None:
        entry = {"models": ["smollm2-135m"], "engines": ["vllm"], "workloads": ["mixed"]}
        reconfigure(tree, "runs", [*RUNS["runs"], {**entry, "sweep": {"block_size": list(sizes)}}])

    def to_run() -> list[str]:
        return sorted(output.split("/")[5] for rule, output in planned(tree) if rule == "run_vllm")

    sweep(32, 64)
    assert to_run() == ["block_size-32", "block_size-64"]
    assert ran(tree)["run_vllm"] == 2
    assert to_run() == []
    (tree / "results/runs/smollm2-135m/vllm/mixed/block_size-64/run.json").unlink()
    assert to_run() == ["block_size-64"]
    assert ran(tree)["run_vllm"] == 1
    sweep(32, 96, 64)
    assert to_run() == ["block_size-96"]
    sweep(64)
    assert to_run() == []


def test_a_plan_is_answered_again_alone(tree: Path) -> None:
    reconfigure(tree, "capacity/llama-2-7b-sharegpt/block_size", 32)
    assert stale(tree) == {"plan_capacity": 1, **AFTER_CONFIG, "make_report": 1}


KV_BY_CONTEXT = ["summarise_kv_by_context", "plot_kv_by_context"]


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("config/shapes.yaml", ["plot_largest_batch", *KV_BY_CONTEXT]),
        ("scripts/kvbench/capacity/contexts.py", ["plot_largest_batch"]),
        ("scripts/kvbench/capacity/by_context.py", KV_BY_CONTEXT),
        ("scripts/kvbench/report/capacity.py", []),
        ("scripts/kvbench/report/templates/capacity/rate.js", []),
        ("scripts/kvbench/report/templates/capacity.css", []),
    ],
)
def test_a_shape_or_the_code_of_capacity_reruns_capacity(tree: Path, name: str, also: list[str]) -> None:
    """The page contains the figures, so it is made again with them."""
    if name.endswith(".yaml"):
        (tree / name).write_text((tree / name).read_text().replace("124439808", "124439809"))
    else:
        edit(tree, name)
    assert stale(tree) == Counter(["plan_capacity", "make_report", *also])


def test_without_a_plan_there_is_no_page(tree: Path) -> None:
    reconfigure(tree, "capacity", {})
    assert stale(tree) == {**AFTER_CONFIG, "make_report": 1}


AFTER_REPLAYS = {"summarise_replays": 1, "plot_replay_waste": 2, "plot_batched_requests": 2, "make_report": 1}


def test_a_scenario_is_replayed_alone(tree: Path) -> None:
    reconfigure(tree, "replays/opt-13b-sharegpt/block_size", 32)
    assert stale(tree) == {"run_replay": 1, **AFTER_CONFIG, **AFTER_REPLAYS}


def test_code_of_the_replay_reruns_replays_and_plans(tree: Path) -> None:
    edit(tree, "scripts/kvbench/replay/kernels/paged.py")
    capacity = {"plan_capacity": 1, "plot_largest_batch": 1}
    assert stale(tree) == {"run_replay": 2, **AFTER_REPLAYS, **capacity}


def test_a_users_file_reruns_its_scenario(tree: Path) -> None:
    (tree / "trace.csv").write_text("3,4\n")
    own = {"file": "trace.csv", "pool_slots": 15700}
    settings = read_config(tree)
    reconfigure(tree, "replays", {**settings["replays"], "mine": own})
    assert ran(tree)["run_replay"] == 1
    (tree / "trace.csv").write_text("3,5\n")
    more = {"plot_replay_waste": 3, "plot_batched_requests": 3}
    assert stale(tree) == {"run_replay": 1, **AFTER_REPLAYS, **more}


def test_hit_rates_and_fleets_rerun_no_replay(tree: Path) -> None:
    own = HIT_RATES | {"policies": ["paged"], "requests_per_s": 3}
    own |= {"step_time": {"constant_s": 0.05, "source": "a test"}}
    reconfigure(tree, "replays", {"mine": own})
    ran(tree)
    fleet = {"replicas": [2], "routers": ["prefix-aware"]}
    reconfigure(tree, "replays", {"mine": {**own, "hit_rate": {}, "fleet": fleet}})
    hits = {"find_hit_rates": 1, "summarise_hit_rates": 1, "plot_hit_rate": 1, "make_report": 1}
    fleets = {"replay_fleet": 1, "summarise_fleets": 1, "plot_fleet": 1, "make_report": 1}
    assert ran(tree) == {**hits, **fleets, **AFTER_CONFIG}
    reconfigure(tree, "replays", {"mine": {**own, "hit_rate": {"block_sizes": [8]}, "fleet": fleet}})
    assert stale(tree) == {**hits, **AFTER_CONFIG}
    reconfigure(tree, "replays", {"mine": {**own, "hit_rate": {}, "fleet": fleet | {"at_most": 2}}})
    assert stale(tree) == {**fleets, **AFTER_CONFIG}
    reconfigure(tree, "replays", {"mine": {**own, "hit_rate": {}, "fleet": fleet}})
    reconfigure(tree, "slo", {"ttft_s": 3, "tpot_s": 1})
    assert fleets.items() <= stale(tree).items()


def test_without_a_scenario_there_is_no_replay(tree: Path) -> None:
    reconfigure(tree, "replays", {})
    assert stale(tree) == {**AFTER_CONFIG, "make_report": 1}
    shutil.rmtree(tree / "results/replays")
    assert ran(tree) == {**AFTER_CONFIG, "make_report": 1}


def test_an_edit_of_the_configurations_code_reruns_nothing(tree: Path) -> None:
    edit(tree, "scripts/kvbench/config/settings.py")
    edit(tree, "scripts/kvbench/config/schema.py")
    assert stale(tree) == {}
