"""upkeep.csv, from steps counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from builders.changed_runs import changed_record, replace_rows
from builders.runs import write_run, write_runs

from kvbench.analysis.results import load_run, load_runs
from kvbench.analysis.tables import upkeep
from kvbench.files import read_parquet, write_parquet
from kvbench.records import UPKEEP

# ms of the sample, running, scheduled tokens; then in µs: blocks since the last sample, tables of this step, recording.
ROWS = [
    (0, 1, 40, 900, 100, 500),
    (10, 1, 1, 200, 200, 1000),  # step 0: 9 ms, blocks 200 µs, tables 100 µs
    (14, 3, 9, 300, 900, 2000),  # step 1: 2 ms, blocks 300 µs, tables 200 µs
    (34, 4, 4, 60, 500, 0),  # step 2: 20 ms, blocks 60 µs, tables 900 µs
    (42, 0, 0, 30, 0, 0),  # nothing is scheduled any more
    (50, 0, 0, None, None, None),  # closes the pass
]


@pytest.fixture
def path(tmp_path):
    """A run of vLLM whose untimed pass has the rows above."""
    path = write_run(tmp_path, "vllm", repeats=1)
    kv = read_parquet(path.parent / "kv.parquet").to_pandas()
    template = kv[kv["phase"] == "blocks"].iloc[:1]
    frame = pd.concat([template] * len(ROWS), ignore_index=True)
    frame["step"] = np.arange(len(ROWS))
    frame["t_ns"], frame["running"], frame["scheduled_tokens"] = ([row[i] * f for row in ROWS] for i, f in NUMBERS)
    for place, name in enumerate(UPKEEP, 3):
        frame[name] = pd.array([row[place] and row[place] * 1000 for row in ROWS], "Int64")
    replace_rows(path.parent / "kv.parquet", pd.concat([kv[kv["phase"] != "blocks"], frame]))
    return path


NUMBERS = ((0, 1_000_000), (1, 1), (2, 1))


def rows_of(path):
    return upkeep.table([load_run(path)]).set_index("running_requests")


def test_a_step_lasts_from_its_sample_to_the_next_without_our_recording(path):
    table = rows_of(path)
    assert list(table.index) == ["all", "1", "3-4"]
    assert table["steps"].tolist() == [3, 2, 1]
    row = table.loc["1"]
    assert row["step_s_median"] == pytest.approx((0.009 + 0.002) / 2)
    assert (row["step_s_q1"], row["step_s_q3"]) == (pytest.approx(0.00375), pytest.approx(0.00725))
    assert row["allocate_share_of_step"] == pytest.approx(500 / 11_000)
    assert row["tables_share_of_step"] == pytest.approx(300 / 11_000)
    assert row["upkeep_share_of_step"] == pytest.approx(800 / 11_000)
    assert (row["allocate_s_median"], row["tables_s_median"]) == (pytest.approx(250e-6), pytest.approx(150e-6))


def test_times_a_request_are_over_the_requests_of_the_step(path):
    row = rows_of(path).loc["3-4"]
    assert row["running_mean_requests"] == 3
    assert row["tables_s_per_request_median"] == pytest.approx(300e-6)
    assert row["allocate_s_per_request_median"] == pytest.approx(20e-6)


def test_all_steps_are_the_sum_of_the_bins(path):
    row = rows_of(path).loc["all"]
    assert row["running_mean_requests"] == pytest.approx(5 / 3)
    assert row["upkeep_share_of_step"] == pytest.approx((560 + 1200) / 31_000)


def test_where_the_host_works_ahead_samples_with_block_ids_are_left_out(path):
    with changed_record(path) as record:
        record["settings"]["in_force"]["async_scheduling"] = True
    blocks = read_parquet(path.parent / "blocks.parquet").to_pandas().iloc[:3].assign(step=[0, 2, 2])
    replace_rows(path.parent / "blocks.parquet", blocks)
    table = rows_of(path)
    assert table["steps"].tolist() == [2, 1, 1]
    assert table.loc["1", "step_s_median"] == pytest.approx(0.009)
    assert set(table["async_scheduling"]) == {True}


@pytest.mark.parametrize(("power", "label"), [(0, "1"), (1, "2"), (2, "3-4"), (3, "5-8"), (8, "129-256")])
def test_bins_end_at_powers_of_two(power, label):
    assert upkeep.bin_label(power) == label


def test_only_runs_of_vllm_have_rows(tmp_path):
    table = upkeep.table(load_runs(write_runs(tmp_path)))
    assert set(table["engine"]) == {"vllm-sequential", "vllm"}
    alone = table[table["engine"] == "vllm-sequential"]
    assert list(alone["running_requests"]) == ["all", "1"]
    assert alone["tables_s_median"].tolist() == pytest.approx([105e-6] * 2)


def test_every_process_counts(tmp_path):
    one = write_run(tmp_path, "vllm")
    both = [one, write_run(tmp_path, "vllm", process=2)]
    steps = [upkeep.table(load_runs(paths))["steps"] for paths in ([one], both)]
    assert steps[1].tolist() == [2 * count for count in steps[0]]


@pytest.mark.parametrize("older", [True, False])
def test_runs_without_these_times_have_no_rows(path, older):
    kv = read_parquet(path.parent / "kv.parquet")
    for name in UPKEEP:
        nothing = pa.nulls(len(kv), pa.int64())
        kv = kv.drop([name]) if older else kv.set_column(kv.schema.get_field_index(name), name, nothing)
    write_parquet(path.parent / "kv.parquet", kv)
    table = upkeep.table([load_run(path)])
    assert table.empty
    assert list(table) == list(upkeep.COLUMNS)
