"""A run with arrivals is replayed on its own clock; the runs are the reference replay's, which shares no code."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from builders.served import BETWEEN_NS, edited, lengths, write_served
from builders.workloads import workload

from kvbench.analysis.results import load_run
from kvbench.errors import UserError
from kvbench.replay.live_run import MODELLED, PAGED, server_settings
from kvbench.replay.live_serving import compare
from kvbench.replay.live_steps import timed_repeats

ENGINES = [*((engine, False) for engine in MODELLED), *((engine, True) for engine in PAGED)]


@pytest.mark.parametrize(("engine", "ahead"), ENGINES)
@pytest.mark.parametrize("per_s", [1.0, 20.0])
def test_every_decision_is_that_of_the_run(tmp_path, engine, ahead, per_s):
    """At 1 request a second the engines are often idle, at 20 their queues are long; steps take up to twice as long."""
    run = load_run(write_served(tmp_path, engine, per_s, noise=0.5, ahead=ahead))
    for repeat in (1, 2):
        found = compare(run, repeat)
        assert found.same, found
        assert found.first is None
        assert found.steps > 100


@pytest.mark.parametrize("ahead", [False, True])
def test_a_queue_with_preemptions(tmp_path, ahead):
    run = load_run(write_served(tmp_path, "vllm", 20.0, pool=80, noise=0.5, ahead=ahead))
    assert next(timed_repeats(run)).steps["preemptions"].iloc[-1] > 0
    assert compare(run, 1).same


@pytest.mark.parametrize("column", ["running", "waiting", "scheduled_tokens", "preemptions"])
def test_a_number_that_differs_is_named_with_its_step(tmp_path, column):
    run = load_run(write_served(tmp_path, "vllm", 20.0))

    def edit(frame):
        frame.loc[30, column] += 1

    found = compare(edited(run, "kv", edit), 1)
    assert (found.differing, found.first, found.same) == ((column,), 30, False)
    assert compare(edited(run, "kv", edit), 2).same


def test_a_request_that_was_admitted_at_another_step_is_seen(tmp_path):
    run = load_run(write_served(tmp_path, "vllm", 1.0))

    def edit(frame):
        frame.loc[5, "start_s"] += 0.02  # two steps

    assert compare(edited(run, "requests", edit), 1).differing == ("admitted",)


@pytest.mark.parametrize(
    ("engine", "change"),
    [
        ("vllm", {"max_num_seqs": 3}),
        ("vllm", {"max_num_batched_tokens": 30}),
        ("vllm", {"async_scheduling": True}),
        ("hf-batch", {"budget": 0.6}),
    ],
)
def test_another_limit_is_another_run(tmp_path, engine, change):
    run = load_run(write_served(tmp_path, engine, 20.0))
    record = run.record
    if "budget" in change:
        record["capacity"]["budget_bytes"] = int(record["capacity"]["budget_bytes"] * change["budget"])
    else:
        record["settings"]["in_force"] |= change
    assert not compare(run, 1).same


def test_steps_that_are_missing_or_too_many_are_seen(tmp_path):
    run = load_run(write_served(tmp_path, "vllm", 20.0))
    assert not compare(edited(run, "kv", lambda frame: frame.drop(index=40)), 1).same

    def edit(frame):
        last = frame[(frame["repeat"] == 1) & (frame["running"] > 0)].iloc[[-1]]
        return pd.concat([frame, last.assign(t_ns=last["t_ns"] + 1, step=10**6)], ignore_index=True)

    found = compare(edited(run, "kv", edit), 1)
    assert found.differing == ("steps",)
    assert found.first == found.steps - 1


def test_requests_are_in_the_order_in_which_the_engine_received_them(tmp_path):
    run = load_run(write_served(tmp_path, "vllm", 1.0))

    def edit(frame):
        frame["received_s"] = frame["received_s"].to_numpy()[::-1]

    ids = next(timed_repeats(edited(run, "requests", edit))).requests["request_id"]
    assert ids.is_monotonic_decreasing


def test_where_the_engine_does_not_say_when_it_received_them_nothing_is_compared(tmp_path):
    run = load_run(write_served(tmp_path, "vllm", 1.0))

    def edit(frame):
        frame["received_s"] = np.nan

    with pytest.raises(UserError, match=r"requests.parquet: does not say when the engine received each request"):
        compare(edited(run, "requests", edit), 1)


@pytest.mark.parametrize("ahead", [False, True])
def test_requests_at_once_are_known_when_the_engine_counts_them(tmp_path, ahead):
    """The first comes alone, as to an engine in a process of its own."""
    run = at_once(tmp_path, ahead)
    steps = next(timed_repeats(run)).steps
    assert (steps["running"] + steps["waiting"])[: 2 + ahead].tolist() == [1] * (1 + ahead) + [40]
    assert compare(run, 1).same
    run.record["settings"]["in_force"]["async_scheduling"] = not ahead
    assert not compare(run, 1).same


def at_once(tmp_path, ahead):
    run = load_run(write_served(tmp_path, "vllm", 1e7, noise=0.5, ahead=ahead))
    run.record["point"] = "base"
    return edited(run, "requests", lambda frame: frame.assign(received_s=np.nan, due_s=np.nan))


def test_requests_at_once_that_are_never_counted_together_are_not_compared(tmp_path):
    run = edited(at_once(tmp_path, False), "kv", lambda frame: frame.assign(waiting=0))
    with pytest.raises(UserError, match="does not say when the engine received each request"):
        compare(run, 1)


def test_a_repeat_that_is_not_there_is_one_line(tmp_path):
    run = load_run(write_served(tmp_path, "vllm", 1.0))
    with pytest.raises(UserError, match=r"repeat 9 is not a timed one; name one that is"):
        compare(run, 9)

    def edit(frame):
        return frame[frame["repeat"] != 1]

    with pytest.raises(UserError, match=r"kv.parquet: has no step of repeat 1; delete it and run again"):
        compare(edited(run, "kv", edit), 1)


def test_shared_prefixes_need_the_workload(tmp_path):
    run = load_run(write_served(tmp_path, "vllm", 20.0))
    run.record["settings"]["in_force"]["enable_prefix_caching"] = True
    with pytest.raises(UserError, match="its requests share blocks; give the workload"):
        compare(run, 1)
    prompts, outputs = lengths().T
    table = workload([[100 * i + j for j in range(n)] for i, n in enumerate(prompts)], outputs)
    names = table["request_id"].to_pylist()
    served = edited(run, "requests", lambda frame: frame.__setitem__("request_id", names * 2))
    assert compare(served, 1, table).same  # no prompts begin alike
    same = workload([list(range(n)) for n in prompts], outputs)
    assert not compare(served, 1, same).same


def test_passes_begin_with_their_batch_or_where_the_former_one_ended(tmp_path):
    run = load_run(write_served(tmp_path, "hf-batch", 1.0))
    first, second = timed_repeats(run)
    begins = np.flatnonzero(np.diff(first.batch, prepend=-1))
    assert (first.begin_ns[1:] >= first.end_ns[:-1]).all()
    gaps = first.begin_ns[1:] > first.end_ns[:-1]
    assert set(np.flatnonzero(gaps) + 1) <= set(begins)
    assert gaps.any()
    assert second.start_ns - first.end_ns[-1] == BETWEEN_NS
    assert len(begins) == len({*first.requests["start_s"]})


def test_the_limit_on_rows_is_that_of_memory_where_a_batch_did_not_fit(tmp_path):
    run = load_run(write_served(tmp_path, "hf-batch", 1.0))
    limited = dataclasses.replace(run, record={**run.record, "out_of_memory": {"largest_batch_rows": 3}})
    assert server_settings(limited).max_running == 3
    assert server_settings(run).max_running > 10**6
    assert server_settings(run).block_size == 8
    run.record["settings"]["given"] = {"block_size": "auto"}
    assert server_settings(run).block_size == 32
    run.record["device"] = "cuda"
    assert server_settings(run).block_size == 16


def test_a_padded_row_may_reach_the_models_positions_where_the_record_has_them(tmp_path):
    run = load_run(write_served(tmp_path, "hf-batch", 1.0))
    known = dataclasses.replace(run, record={**run.record, "max_context": 4096})
    older = dataclasses.replace(run, record={k: v for k, v in run.record.items() if k != "max_context"})
    assert server_settings(known).longest_row == 4096
    assert server_settings(older).longest_row == run.record["max_length"]


def test_frames_are_read_once_for_each_process(tmp_path):
    run = load_run(write_served(tmp_path, "vllm", 1.0, repeats=3))
    assert [one.repeat for one in timed_repeats(run)] == [1, 2, 3]
    assert all(isinstance(one.requests, pd.DataFrame) for one in timed_repeats(run))
