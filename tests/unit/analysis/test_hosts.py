"""Tables tell which host measured what, and mark ratios across hosts."""

import pandas as pd
import pytest
from builders.arriving_runs import SLO, write_arriving
from builders.changed_runs import changed_record
from builders.runs import write_run, write_runs
from builders.tables import factor_row

from kvbench.analysis.results import Place, load_runs
from kvbench.analysis.tables import attribution, hosts, of_serving, processes, ratios
from kvbench.report.machine import several_gpus, several_hosts
from kvbench.report.tables.runs import run_settings
from kvbench.report.tables.speed import ratios_view

OTHER = "0f0f0f0f"


def moved(path, host=OTHER):
    """The run as if another host, or with None an older kvbench, had measured it."""
    with changed_record(path) as record:
        record["host"] = host and {**record["host"], "id": host, "cpu": "Xeon"}
    return path


def on_gpu(path, gpu):
    """The run as if another GPU of the host, or with None a kvbench that did not record it, had measured it."""
    with changed_record(path) as record:
        record["host"].pop("gpu_ids")
        record["host"] |= {"gpu_ids": [gpu]} if gpu else {}
    return path


def two_processes(root):
    return [write_run(root, "vllm", process=number) for number in (1, 2)]


def test_a_run_has_a_row_for_each_of_its_hosts(tmp_path):
    first, second = two_processes(tmp_path)
    table = hosts.table(load_runs([first, moved(second), write_run(tmp_path, "hf-batch", device="cuda")]))
    by_host = table.set_index(["engine", "host"])
    assert list(table["n_processes"]) == [1, 1, 1]
    assert by_host.loc[("vllm", OTHER), "cpu"] == "Xeon"
    assert by_host.loc[("vllm", "a1b2c3d4"), ["cpu", "cpus", "cpus_usable"]].tolist() == ["AMD EPYC", 4, 2]
    assert by_host.loc["vllm", "gpus"].isna().all()
    assert by_host.loc[("hf-batch", "a1b2c3d4"), ["gpus", "driver"]].tolist() == ["NVIDIA A100-SXM4-40GB", "580.1"]


def test_processes_on_one_host_are_counted_together(tmp_path):
    assert list(hosts.table(load_runs(two_processes(tmp_path)))["n_processes"]) == [2]


def test_a_run_has_a_row_for_each_of_its_gpus(tmp_path):
    first, second = [write_run(tmp_path, "vllm", device="cuda", process=number) for number in (1, 2)]
    runs = load_runs([first, on_gpu(second, OTHER)])
    assert hosts.table(runs)[["gpu_ids", "n_processes"]].to_numpy().tolist() == [["0a0a0a0a", 1], [OTHER, 1]]
    assert list(processes.table(runs, 0)["gpu_ids"].unique()) == ["0a0a0a0a", OTHER]


def test_older_runs_have_no_row_but_the_table_keeps_its_columns(tmp_path):
    table = hosts.table(load_runs([moved(write_run(tmp_path, "vllm"), None)]))
    assert table.empty
    assert tuple(table) == hosts.COLUMNS


def test_the_host_of_each_process_is_named(tmp_path):
    first, second = two_processes(tmp_path)
    table = processes.table(load_runs([first, moved(second)]), 0)
    assert table.groupby("process")["host"].unique().explode().to_dict() == {1: "a1b2c3d4", 2: OTHER}


@pytest.mark.parametrize(("host", "same"), [("a1b2c3d4", True), (OTHER, False), (None, None)])
def test_ratios_say_whether_one_host_ran_both(tmp_path, host, same):
    batch, vllm, reserved = write_runs(tmp_path, ("hf-batch", "vllm", "vllm-reserved"))
    runs = load_runs([moved(batch, host), vllm, reserved])
    table = ratios.table(runs, 0).set_index("numerator")
    assert table.loc["vllm", "same_host"] == same if same is not None else pd.isna(table.loc["vllm", "same_host"])
    assert ("same host" in ratios_view(table.reset_index())) == (same is False)
    rows = attribution.table(runs, 0)
    row = factor_row(rows, "over padded batches", "side")
    assert ("different hosts" in str(row["reason"])) == (same is False)
    assert row["ratio"] > 0
    assert factor_row(rows, "capacity of paging", "side")["same_host"] is True


@pytest.mark.parametrize(("gpu", "same"), [("0a0a0a0a", True), (OTHER, False), (None, None)])
def test_ratios_say_whether_one_gpu_ran_both(tmp_path, gpu, same):
    batch, vllm = write_runs(tmp_path, ("hf-batch", "vllm"), device="cuda")
    runs = load_runs([on_gpu(batch, gpu), vllm])
    table = ratios.table(runs, 0).set_index("numerator")
    assert table.loc["vllm", "same_host"] == True  # noqa: E712
    assert table.loc["vllm", "same_gpus"] == same if same is not None else pd.isna(table.loc["vllm", "same_gpus"])
    assert ("same GPUs" in ratios_view(table.reset_index())) == (same is False)
    reason = factor_row(attribution.table(runs, 0), "over padded batches", "side")["reason"]
    assert ("different GPUs of one host" in str(reason)) == (same is False)


def test_no_gpus_are_not_the_same_gpus(tmp_path):
    runs = load_runs(write_runs(tmp_path, ("hf-batch", "vllm")))
    assert ratios.table(runs, 0)["same_gpus"].isna().all()
    assert hosts.same_place([Place(None, None), Place(OTHER, "a")]) == {"same_host": None, "same_gpus": None}


def test_a_reason_names_both_few_repeats_and_hosts(tmp_path):
    batch, vllm = write_runs(tmp_path, ("hf-batch", "vllm"), repeats=2)
    row = factor_row(attribution.table(load_runs([moved(batch), vllm]), 0), "over padded batches", "side")
    assert row["reason"] == "n = 2; an interval needs 6 repeats; measured on different hosts, whose speed may differ"


def test_a_capacity_ratio_is_of_one_host_only_if_every_rate_is(tmp_path):
    def marks():
        return of_serving.tables(load_runs(paths), SLO, 0)["slo_ratios"].set_index("denominator")["same_host"]

    paths = [
        write_arriving(tmp_path, engine, rate) for engine in ("vllm", "vllm-reserved", "hf-batch") for rate in (2, 8)
    ]
    assert marks().to_dict() == {"vllm-reserved": True, "hf-batch": True}
    moved(paths[2])
    assert marks().to_dict() == {"vllm-reserved": False, "hf-batch": True}


def test_the_report_names_the_hosts_where_there_are_several(tmp_path):
    batch, vllm = write_runs(tmp_path, ("hf-batch", "vllm"))
    assert several_hosts(load_runs([batch, vllm])) == []
    runs = load_runs([moved(batch), vllm])
    assert several_hosts(runs) == [OTHER, "a1b2c3d4"]
    assert list(run_settings(runs)["host"]) == [OTHER, "a1b2c3d4"]
    assert "host" not in run_settings(load_runs([moved(batch, None)]))


def test_the_report_names_the_gpus_of_one_host_where_there_are_several(tmp_path):
    batch, vllm = write_runs(tmp_path, ("hf-batch", "vllm"), device="cuda")
    assert several_gpus(load_runs([batch, vllm])) == []
    assert "GPU" not in run_settings(load_runs([batch, vllm]))
    on_gpu(batch, OTHER)
    assert several_gpus(load_runs([batch, vllm])) == [OTHER, "0a0a0a0a"]
    assert list(run_settings(load_runs([batch, vllm]))["GPU"]) == [OTHER, "0a0a0a0a"]
    assert several_gpus(load_runs([moved(batch), vllm])) == []
