"""Roofline numbers, worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders.bandwidth import bandwidth
from builders.changed_runs import changed_record, replace_rows
from builders.run_recording import SLOT_BYTES
from builders.runs import write_run

from kvbench.analysis.results import load_run
from kvbench.analysis.tables import roofline
from kvbench.files import read_json, read_parquet, write_json

RATE = 1e10

CPU, CUDA = bandwidth(RATE), bandwidth(RATE, gpus=2)


def kv(*rows):
    """Build kv rows from (repeat, ms, running, scheduled, live)."""
    frame = pd.DataFrame(rows, columns=["repeat", "t_ns", "running", "scheduled_tokens", "live"])
    return frame.assign(t_ns=frame["t_ns"] * 1_000_000, process=1)


def test_a_decoding_step_lies_between_two_of_its_kind():
    found = roofline.decode_steps(
        kv(
            (1, 0, 2, 40, 40),  # prefill
            (1, 10, 2, 2, 42),  # first decode step: the interval before it belongs to the prefill
            (1, 13, 2, 2, 44),
            (1, 20, 3, 32, 76),  # prefill of another prompt in the same step
            (1, 30, 3, 3, 79),
            (1, 34, 3, 3, 82),
            (1, 39, 0, 0, 0),  # the end of the repeat
            (2, 40, 1, 1, 5),  # another repeat
            (2, 42, 1, 1, 6),
        ),
        ahead=False,
    )
    assert list(found["seconds"]) == pytest.approx([0.003, 0.004, 0.002])
    assert list(found["live"]) == [44, 82, 6]


def test_a_step_that_is_scheduled_ahead_is_computed_one_interval_later():
    rows = [
        (1, 0, 2, 40, 40),
        (1, 1, 2, 2, 42),
        (1, 9, 2, 2, 44),
        (1, 12, 2, 2, 46),
        (1, 15, 2, 2, 48),
        (2, 17, 2, 2, 9),
    ]
    found = roofline.decode_steps(kv(*rows), ahead=True)
    assert list(found["seconds"]) == pytest.approx([0.003, 0.003])  # not the 8 ms in which the prompts are computed


@pytest.fixture
def run(tmp_path):
    """A run with one timed repeat of three decoding steps of 4 ms that hold 100 slots."""
    path = write_run(tmp_path, "vllm", repeats=1)
    with changed_record(path) as record:
        [repeat] = [r for r in record["repeats"] if r["timed"] and r["scope"] == "all"]
        record["memory"]["parts"]["weights"] = 39_000_000
    rows = [(0, 2, 50), (10, 2, 2), (14, 2, 2), (18, 2, 2), (22, 2, 2)]
    template = read_parquet(path.parent / "kv.parquet").to_pandas().iloc[:1]
    frame = pd.concat([template] * len(rows), ignore_index=True)
    frame["repeat"], frame["live"] = repeat["repeat"], 100
    for i, (ms, running, scheduled) in enumerate(rows):
        frame.loc[i, ["t_ns", "running", "scheduled_tokens"]] = (ms * 1_000_000, running, scheduled)
    replace_rows(path.parent / "kv.parquet", frame)
    return load_run(path)


def test_the_bound_is_weights_and_live_slots_over_bandwidth(run):
    [row] = roofline.table([run], CPU, 0).query("scope == 'all'").to_dict("records")
    must_move = 39_000_000 + 100 * SLOT_BYTES
    assert (row["decode_steps"], row["decode_step_s_median"]) == (3, pytest.approx(0.004))
    assert row["must_move_bytes"] == must_move
    assert row["bound_s"] == pytest.approx(must_move / RATE)
    assert row["fraction_of_bound"] == pytest.approx(must_move / RATE / 0.004)
    assert row["limited_by"] == "memory bandwidth"
    assert row["gpu_busy_share"] is None or np.isnan(row["gpu_busy_share"])
    assert row["cpu_busy_share"] > 0


def test_bound_and_time_are_means_of_the_same_steps(run, tmp_path):
    """Most steps here are short ones with little to read: a median would leave the long ones out of the time alone."""
    path = next(tmp_path.rglob("run.json"))
    kv = read_parquet(path.parent / "kv.parquet").to_pandas()
    ends, live = [2, 10, 14, 18, 40], [100, 100, 100, 100, 100_000]
    kv = kv.assign(t_ns=[1_000_000 * ms for ms in ends], live=live)
    replace_rows(path.parent / "kv.parquet", kv)
    [row] = roofline.table([load_run(path)], CPU, 0).query("scope == 'all'").to_dict("records")
    bounds = [(39_000_000 + slots * SLOT_BYTES) / RATE for slots in live[2:]]
    assert row["decode_step_s_median"] == pytest.approx((0.004 + 0.004 + 0.022) / 3)
    assert row["fraction_of_bound"] == pytest.approx(sum(bounds) / 0.030)


@pytest.mark.parametrize("active", [30, 120, None])
def test_of_a_mixture_of_experts_a_step_reads_at_least_what_one_token_is_computed_with(run, active):
    run.record["parameters"] = {"all": 120, "active": active}
    [row] = roofline.table([run], CPU, 0).query("scope == 'all'").to_dict("records")
    if active is None:
        assert all(pd.isna(row[name]) for name in ("weight_bytes", "must_move_bytes", "bound_s", "fraction_of_bound"))
    else:
        assert row["must_move_bytes"] == 39_000_000 * active // 120 + 100 * SLOT_BYTES


def test_a_bandwidth_of_another_device_gives_no_bound(run):
    [row] = roofline.table([run], CUDA, 0).query("scope == 'all'").to_dict("records")
    assert pd.isna(row["bound_s"])
    assert pd.isna(row["fraction_of_bound"])
    assert row["limited_by"] is None


@pytest.mark.parametrize(
    ("busy", "fraction", "found"),
    [
        (0.3, 0.9, "host"),
        (0.9, 0.6, "memory bandwidth"),
        (0.9, 0.2, "neither"),
        (None, None, None),
        (0.4, None, "host"),
    ],
)
def test_what_a_step_waits_for(busy, fraction, found):
    assert roofline.limited_by({"gpu_busy_share": busy, "fraction_of_bound": fraction}) == found


def on_gpu(tmp_path, engine, busy=37.0, gpus=1):
    """A run on a GPU whose samples give its busy share during the timed repeats."""
    path = write_run(tmp_path, engine, device="cuda")
    write_json(path, read_json(path) | {"gpus": gpus})
    frame = read_parquet(path.parent / "device.parquet").to_pandas()
    timed = frame["phase"].astype(str).str.startswith("repeat-")
    frame["gpu_busy_percent"] = np.where(timed, busy, 99.0)
    others = [frame[frame["gpu"] == 0].assign(gpu=index) for index in range(1, gpus)]
    frame = pd.concat([frame, *others])
    replace_rows(path.parent / "device.parquet", frame)
    return load_run(path)


def test_a_gpu_that_idles_waits_for_the_host(tmp_path):
    row = roofline.table([on_gpu(tmp_path, "hf-batch")], CUDA, 0).iloc[0]
    assert row["gpu_busy_share"] == pytest.approx(0.37)
    assert row["power_mean_w"] == 310.0
    assert row["limited_by"] == "host"


@pytest.mark.parametrize(("engine", "rate"), [("vllm", 2 * RATE), ("hf-batch", RATE)])
def test_only_vllm_reads_several_gpus_at_once(tmp_path, engine, rate):
    assert set(roofline.table([on_gpu(tmp_path, engine, gpus=2)], CUDA, 0)["copy_bytes_per_s"]) == {rate}


@pytest.mark.parametrize(("known", "rate"), [("0a0a0a0a", 3 * RATE), ("of another host", RATE)])
def test_the_bandwidth_is_that_of_the_run_s_own_gpu_if_it_was_measured(tmp_path, known, rate):
    copies = [{"gpu_id": "1b1b1b1b", "bytes_per_s": RATE}, {"gpu_id": known, "bytes_per_s": 3 * RATE}]
    found = roofline.table([on_gpu(tmp_path, "vllm")], {"device": "cuda", "copy": copies}, 0)
    assert set(found["copy_bytes_per_s"]) == {rate}


@pytest.mark.parametrize(("engine", "share", "limit"), [("vllm", 0.37, "host"), ("hf-batch", 0.74, "memory bandwidth")])
def test_gpus_that_take_turns_are_busy_for_the_sum_of_their_times(tmp_path, engine, share, limit):
    found = roofline.table([on_gpu(tmp_path, engine, gpus=2)], CUDA, 0).iloc[0]
    assert found["gpu_busy_share"] == pytest.approx(share)
    assert found["power_mean_w"] == 620.0
    assert found["limited_by"] == limit
