"""Tables against counts made by hand from the same synthetic runs."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from builders.changed_runs import changed_record, replace_rows
from builders.run_recording import MIB, SLOT_BYTES
from builders.runs import ENGINES, write_run, write_runs
from builders.simulated_engine import BLOCK, MAX_LENGTH, simulate
from builders.simulated_requests import Request, make_requests
from builders.tables import only

from kvbench.analysis.results import load_run, load_runs, point_key
from kvbench.analysis.tables import devices, kv_waste, latency, memory, ratios, repeats, throughput, timed_steps
from kvbench.benchmarks import targets
from kvbench.benchmarks.targets import read_targets
from kvbench.errors import UserError
from kvbench.files import read_parquet, write_json, write_parquet
from kvbench.records import SPLIT


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return load_runs(write_runs(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def by_engine(runs):
    return {run.engine: run for run in runs}


def test_runs_come_in_the_order_of_engines_and_other_files_are_passed_over(runs):
    assert [run.engine for run in runs] == list(ENGINES)
    paths = [file for run in reversed(runs) for file in sorted(run.folder.iterdir())]
    assert [run.engine for run in load_runs(paths)] == list(ENGINES)


def test_points_of_a_sweep_come_by_size_after_the_base():
    points = ["kv_budget_mib-9.5", "block_size-128", "block_size-32", "base", "prefix_sharing-true", "kv_budget_mib-24"]
    in_order = ["base", "block_size-32", "block_size-128", "kv_budget_mib-9.5", "kv_budget_mib-24"]
    assert sorted(points, key=point_key) == [*in_order, "prefix_sharing-true"]


def test_a_broken_run_is_one_line_that_names_the_file(tmp_path):
    write_json(tmp_path / "run.json", {"model": "m"})
    with pytest.raises(UserError, match=r"run\.json: lacks device, engine"):
        load_run(tmp_path)
    with pytest.raises(UserError, match=r"no run\.json"):
        load_runs([tmp_path / "kv.parquet"])


def test_throughput_is_tokens_over_wall_time(runs, by_engine):
    table = throughput.table(runs, seed=0)
    row = only(table, engine="vllm", scope="all")
    repeats = by_engine["vllm"].timed("all")
    walls = np.array([r["wall_s"] for r in repeats])
    tokens = sum(r.output for r in make_requests(16))
    assert row.output_tokens == tokens
    assert row.output_tokens_per_s_median == pytest.approx(np.median(tokens / walls))
    assert row.output_tokens_per_s_total == pytest.approx(6 * tokens / walls.sum())
    assert row.requests_per_s_max == pytest.approx(16 / walls.min())
    assert row.total_tokens_per_s_median > row.output_tokens_per_s_median
    assert (row.n_repeats, row.disturbed_repeats) == (6, 0)


@pytest.mark.parametrize(
    ("walls", "expected"),
    [
        ([(1, 3.0), (1, 1.0), (1, 2.0), (1, 1.5)], 2.0),
        ([(1, 1.0), (1, 1.0), (1, 1.0), (2, 3.0), (2, 1.0), (2, 1.0)], 3.0),
        ([(1, 1.0), (1, 2.0), (2, 9.0)], None),
    ],
)
def test_the_first_repeat_of_a_process_is_set_against_its_others(walls, expected):
    repeats = [{"process": process, "wall_s": wall_s} for process, wall_s in walls]
    assert throughput._first_over_others(repeats) == expected


def test_warm_up_and_block_repeats_enter_no_table(runs, by_engine):
    numbers = by_engine["hf-batch"].timed_numbers()
    assert numbers == list(range(1, 13))
    assert set(throughput.table(runs, 0)["n_repeats"]) == {6}
    assert latency.table(runs, 0).query("engine == 'hf-batch' and scope == 'all'")["samples"].max() == 6 * 16


def test_a_sequential_engine_has_only_its_subset(runs):
    table = throughput.table(runs, seed=0)
    assert list(table[table.engine == "hf-sequential"].scope) == ["sequential"]
    assert only(table, engine="hf-sequential", scope="sequential").requests == 4


def test_three_repeats_give_no_interval_in_any_table(tmp_path):
    few = load_runs(write_runs(tmp_path, ("hf-sequential", "vllm"), repeats=3))
    assert throughput.table(few, 0).filter(like="ci95").isna().all(axis=None)
    assert latency.table(few, 0).filter(like="ci95").isna().all(axis=None)
    found = ratios.table(few, 0)
    assert len(found) == 1
    assert found.filter(like="ci95").isna().all(axis=None)
    assert found["interval_against_1"].isna().all()


def test_latency_by_hand(by_engine):
    row = only(latency.table([by_engine["vllm"]], 0), scope="all", metric="time_per_output_token")
    rows = by_engine["vllm"].timed_requests("all")
    seconds = (rows.finish_s - rows.first_token_s) / (rows.output_tokens - 1)
    assert row.median_s == pytest.approx(np.median([seconds[rows.repeat == n].median() for n in rows.repeat.unique()]))
    assert row.p90_s == pytest.approx(np.quantile(seconds, 0.9))
    assert pd.isna(row.p99_s)
    assert row.median_ci95_low_s <= row.median_s <= row.median_ci95_high_s


def test_one_token_requests_have_no_time_per_output_token(tmp_path):
    requests = [Request("one", 5, 1), Request("two", 5, 3)]
    run = load_run(write_run(tmp_path, "vllm", requests=requests, sequential=1))
    table = latency.table([run], 0)
    assert only(table, scope="all", metric="time_per_output_token").samples == 6
    assert only(table, scope="all", metric="end_to_end").samples == 12


def test_p99_appears_from_100_samples(tmp_path):
    run = load_run(write_run(tmp_path, "vllm", requests=make_requests(20), repeats=6))
    row = only(latency.table([run], 0), scope="all", metric="end_to_end")
    assert row.samples == 120
    assert row.p90_s < row.p99_s <= row.max_s


def test_a_batch_engine_returns_its_requests_together(runs, by_engine):
    table = latency.table(runs, 0)
    returned = dict(zip(table.engine, table.returned, strict=True))
    assert returned["hf-batch"] == "with its batch"
    assert returned["hf-sequential"] == returned["vllm"] == "when it ends"
    first = by_engine["hf-batch"].timed_requests("all").query("repeat == 1")
    batches = [b for b in by_engine["hf-batch"].record["batches"] if b["repeat"] == 1]
    assert list(first.groupby("finish_s").size()) == [b["rows"] for b in batches] == [6, 4, 6]


def test_memory_rows_add_up_to_the_process_and_unknown_is_not_zero(runs):
    table = memory.table(runs)
    one = table[table.engine == "vllm"]
    assert one["bytes"].sum() == one["process_bytes"].iloc[0]
    assert one["share_of_process"].sum() == pytest.approx(1)
    assert pd.isna(only(table, engine="vllm", part="cuda_graphs")["bytes"])
    assert list(one["part"]) == [*memory.PARTS, "unattributed"]
    assert only(table, engine="vllm", part="unattributed")["bytes"] == 31 * MIB


def test_kv_waste_by_hand():
    """Two requests in one batch of a growing cache, counted by hand."""
    trace = simulate("hf-batch", [Request("a", 4, 3), Request("b", 2, 2)], slots=1088)
    assert [sum(step.split.values()) for step in trace.steps] == [8, 10, 12]
    assert [step.split["live"] for step in trace.steps] == [4 + 2, 5 + 3, 6]
    assert [step.split["padding"] for step in trace.steps] == [2, 2, 0]
    assert [step.split["finished"] for step in trace.steps] == [0, 0, 6]


def test_kv_waste_sums_only_timed_rows_of_scope_all(runs, by_engine):
    table = kv_waste.table(runs)
    for engine in ("hf-batch", "hf-static", "vllm"):
        steps = simulate(engine, make_requests(16), 1088).steps
        row = only(table, engine=engine)
        allocated = sum(sum(s.split.values()) for s in steps)
        assert row.steps == 6 * len(steps)
        for name in SPLIT:
            assert row[f"{name}_share_of_allocated"] == pytest.approx(sum(s.split[name] for s in steps) / allocated)
        pool = sum(s.pool for s in steps)
        assert row.unused_pool_share_of_pool == pytest.approx(1 - allocated / pool)
        assert row.allocated_mean_bytes == pytest.approx(allocated / len(steps) * SLOT_BYTES)
        assert row.allocated_peak_bytes == max(sum(s.split.values()) for s in steps) * SLOT_BYTES
    assert only(table, engine="hf-sequential").live_share_of_allocated == 1
    assert only(table, engine="vllm").pool_peak_bytes == 1088 // BLOCK * BLOCK * SLOT_BYTES
    assert only(table, engine="hf-static").pool_peak_bytes == 2 * MAX_LENGTH * SLOT_BYTES


def test_live_share_with_external_fragmentation_only_where_the_allocator_tells(tmp_path, runs):
    assert kv_waste.table(runs)["live_share_of_allocated_and_external"].isna().all()
    row = kv_waste.table([load_run(write_run(tmp_path, "vllm", device="cuda"))]).iloc[0]
    expected = row.live_mean_bytes / (row.allocated_mean_bytes + 6 * MIB)
    assert row.live_share_of_allocated_and_external == pytest.approx(expected)
    assert expected < row.live_share_of_allocated


def test_kv_waste_leaves_out_the_idle_row_that_ends_a_repeat_as_repeats_do(tmp_path):
    run = load_run(write_run(tmp_path, "vllm-reserved"))
    busy, path = kv_waste.table([run]), run.folder / "kv.parquet"
    recorded = read_parquet(path)
    rows = recorded.to_pandas()
    last = rows.groupby("repeat").tail(1).assign(running=0, waiting=0, **dict.fromkeys(("allocated", *SPLIT), 0))
    write_parquet(path, pa.Table.from_pandas(pd.concat([rows, last], ignore_index=True), recorded.schema))
    pd.testing.assert_frame_equal(kv_waste.table([load_run(run.folder)]), busy)
    table = repeats.table([load_run(run.folder)]).query("scope == 'all'")
    assert busy["steps_with_waiting_share"].item() == pytest.approx(table["steps_waiting_share"].mean())
    assert busy["steps"].item() == table["steps"].sum()


def test_a_split_that_does_not_add_up_is_refused(tmp_path):
    run = load_run(write_run(tmp_path, "vllm", repeats=1))
    path = run.folder / "kv.parquet"
    table = read_parquet(path)
    live = table["live"].to_numpy().copy()
    row = int(np.flatnonzero(table["repeat"].to_numpy() == 1)[3])
    live[row], live[row + 1] = live[row] + 1, live[row + 1] - 1
    write_parquet(path, table.set_column(table.column_names.index("live"), "live", [live]))
    with pytest.raises(UserError, match="does not add up"):
        kv_waste.table([run])


def test_the_streamed_sum_does_not_depend_on_the_batch_size(runs, by_engine, monkeypatch):
    whole = kv_waste.table(runs)
    monkeypatch.setattr(timed_steps, "BATCH_ROWS", 17)
    pd.testing.assert_frame_equal(kv_waste.table(runs), whole)


def test_ratios_compare_the_same_requests_with_both_values_beside(runs):
    speed, table = throughput.table(runs, 0), ratios.table(runs, 0)
    for scope, reference, engines in (
        ("sequential", "hf-sequential", ["hf-batch", "hf-static", "vllm-sequential", "vllm"]),
        ("all", "hf-batch", ["hf-static", "vllm"]),
    ):
        rows = table[table.scope == scope]
        assert list(rows.numerator) == engines
        below = only(speed, engine=reference, scope=scope).output_tokens_per_s_median
        for row in rows.itertuples():
            above = only(speed, engine=row.numerator, scope=scope).output_tokens_per_s_median
            assert row.numerator_output_tokens_per_s_median == pytest.approx(above)
            assert row.ratio == pytest.approx(above / below)
            assert row.ratio_ci95_low < row.ratio < row.ratio_ci95_high


def test_a_ratio_over_other_work_is_refused(tmp_path):
    paths = write_runs(tmp_path, ("hf-batch", "vllm"))
    with changed_record(paths[1]) as record:
        for repeat in record["repeats"]:
            repeat["output_tokens"] -= 1
    with pytest.raises(UserError, match="its requests or tokens differ"):
        ratios.table(load_runs(paths), 0)


def test_a_sweep_point_is_compared_at_its_point_else_with_base(tmp_path):
    paths = [*write_runs(tmp_path, ("hf-batch", "vllm")), write_run(tmp_path, "vllm", point="block_size=64")]
    table = ratios.table(load_runs(paths), 0)
    assert only(table, point="block_size=64").denominator_point == "base"


def test_no_ratio_between_a_point_of_another_budget_and_the_base(tmp_path):
    short = {"point": "kv_budget_mib-24", "slots": 544}
    paths = [*write_runs(tmp_path, ("hf-batch", "vllm")), write_run(tmp_path, "vllm", **short)]
    assert set(ratios.table(load_runs(paths), 0)["point"]) == {"base"}
    paths.append(write_run(tmp_path, "hf-batch", **short))
    row = only(ratios.table(load_runs(paths), 0), point="kv_budget_mib-24")
    assert (row.denominator, row.denominator_point) == ("hf-batch", "kv_budget_mib-24")


def test_devices_have_a_row_each_with_its_own_peak(tmp_path):
    folder = write_run(tmp_path, "vllm", device="cuda").parent
    samples = read_parquet(folder / "device.parquet").to_pandas()
    second = samples[samples["gpu"] == 0].assign(gpu=1)
    second["process_bytes"] //= 2
    replace_rows(folder / "device.parquet", pd.concat([samples, second]))
    table = devices.table(load_runs([folder]))
    assert list(table["gpu"]) == [0, 1]
    timed = samples[samples["phase"].astype(str).str.startswith("repeat-") & (samples["gpu"] == 0)]
    assert list(table["process_peak_bytes"]) == [timed["process_bytes"].max(), (timed["process_bytes"] // 2).max()]
    assert list(table["power_mean_w"]) == [310.0, 310.0]
    assert set(table["process_bytes_from"]) == {"NVML"}


def test_the_host_stands_in_where_there_is_no_gpu(runs):
    table = devices.table(runs)
    assert table["gpu"].isna().all()
    assert set(table["process_bytes_from"]) == {"resident set"}
    assert table["power_mean_w"].isna().all()


def test_energy_is_for_a_token_and_for_a_request_where_every_repeat_has_it(tmp_path):
    path = write_run(tmp_path, "vllm", "mixed", requests=make_requests(4), repeats=2)
    with changed_record(path) as record:
        for number, repeat in enumerate(record["repeats"]):
            repeat |= {"energy_j": 60.0 * (number + 1), "output_tokens": 30, "requests": 4}
    timed = [r["energy_j"] for r in record["repeats"] if r["timed"] and r["scope"] == "all"]
    row = throughput.table(load_runs([path]), seed=0).iloc[0]
    assert row["energy_j_per_output_token_median"] == np.median(timed) / 30
    assert row["energy_j_per_request_max"] == max(timed) / 4
    record["repeats"][-1]["energy_j"] = None
    record["repeats"][1]["energy_j"] = None
    write_json(path, record)
    row = throughput.table(load_runs([path]), seed=0).iloc[0]
    assert pd.isna(row["energy_j_per_output_token_median"])
    assert pd.isna(row["energy_j_per_request_max"])


def test_graphs_compiled_after_the_warm_up_are_counted_and_a_target_says_none(tmp_path):
    paths = [write_run(tmp_path, engine, "mixed", requests=make_requests(4)) for engine in ("hf-batch", "hf-static")]
    with changed_record(paths[1]) as record:
        record["settings"]["in_force"] |= {"compiled_in_warm_up": {"graphs": 1}, "compiled": {"graphs": 3}}
    table = throughput.table(load_runs(paths), seed=0).set_index("engine")
    assert table["compiled_after_warm_up"].dropna().to_dict() == {"hf-static": 2}
    (target,) = [t for t in read_targets("config/targets.yaml") if t["column"] == "compiled_after_warm_up"]
    assert list(targets.table([target], {"throughput": table.reset_index()}, {})["verdict"]) == ["missed"]
