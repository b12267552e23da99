"""The replay's error messages, its totals, and small cases worked out by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from builders.places import SCRIPTS
from builders.refusals import refused
from builders.workloads import workload

from kvbench.errors import UserError
from kvbench.replay import PARTS, POLICIES, Settings, StepTime, Trace, replay
from kvbench.replay.result import SUMMED
from kvbench.replay.texts import block_texts

ONE = Trace.of([100], [20])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (Settings("pagd", 1000), "policy 'pagd': unknown; did you mean paged?"),
        (Settings("oracle", 1000, allocator="slab"), "allocator 'slab': unknown; use one of buddy, best-fit"),
        (Settings("paged", 1000, block_size=0), "block_size is 0; give a whole number from 1"),
        (Settings("paged", 1000.5), "pool_slots is 1000.5"),
        (Settings("paged", 1000, max_running=0), "max_running is 0"),
        (Settings("paged", 1000, max_step_tokens=-1), "max_step_tokens is -1"),
        (Settings("paged", 1000, watermark_blocks=-1), "watermark_blocks is -1"),
        (Settings("reserve-max", 1000), "reserve-max reserves max_length for each request; set max_length"),
        (Settings("reserve-max", 1000, max_length=119), "request 0 has 120 tokens, more than max_length 119"),
        (Settings("oracle", 1000, prefix_sharing=True), "prefix_sharing: oracle cannot share blocks"),
        (Settings("hf-batch", 1000, async_scheduling=True), "async_scheduling: hf-batch schedules a step when"),
        (Settings("paged", 127), "pool_slots 127 cannot hold every request under paged: request 0 needs 128 slots"),
        (Settings("reserve-max", 511, max_length=512), "cannot hold every request under reserve-max"),
        (Settings("oracle", 127), "request 0 needs 119 slots, but can get at most 64"),  # the largest buddy chunk
        (Settings("oracle", 118, allocator="best-fit"), "request 0 needs 119 slots"),
        (Settings("power-of-two", 130, allocator="best-fit"), "request 0 needs 131 slots"),
        (Settings("hf-batch", 118), "cannot hold every request under hf-batch"),
        (Settings("hf-static", 127, max_length=120), "request 0 needs 128 slots"),
        (Settings("paged", 1000, windows=()), "windows is (); give one for each KV cache group, 0: full attention"),
        (Settings("paged", 1000, windows=(64, -1)), "windows is -1; give a whole number from 0"),
        (Settings("oracle", 1000, windows=(64, 0)), "windows: oracle knows no KV cache groups; leave out the windows"),
        (Settings("paged", 1000, windows=(64, 0), prefix_sharing=True), "windows: prefix_sharing knows no KV cache"),
        (Settings("paged", 1000, windows=(64, 0), reserves="oracle"), "windows: reserves knows no KV cache groups"),
        # a window of 31 and steps of 20 tokens: 50 tokens are 4 blocks, of which a window may begin within the first
        (Settings("paged", 207, windows=(31, 0), max_step_tokens=20), "request 0 needs 208 slots"),
    ],
)
def test_settings_are_refused_by_name(settings, named):
    with refused() as error:
        replay(ONE, settings)
    assert named in str(error.value)


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        (([], []), "no requests"),
        (([1, 0], [1, 1]), "prompt_tokens of request 1 is 0"),
        (([1, 1], [1, -3]), "output_tokens of request 1 is -3"),
        (([1.5], [1]), "prompt_tokens is not a list of whole numbers"),
        (([1, 1], [1]), "output_tokens has 1 entries for 2 requests"),
        (([1, 1, 1], [1, 1, 1], [0, 2, 1]), "out of order: request 2 arrives at 1 s, the previous one at 2 s"),
        (([1, 1], [1, 1], [0, np.nan]), "arrival_s of request 1 is nan"),
        (([1, 1], [1, 1], [0, np.inf]), "arrival_s of request 1 is inf"),
        (([1, 1], [1, 1], [0, 1e10]), "arrival_s of request 1 is 10000000000.0"),
        (([1, 1], [1, 1], [-1, 0]), "arrival_s of request 0 is -1.0"),
        (([1 << 30], [1 << 30]), "request 0 has more than 2147483647 tokens"),
        (([4], [1], None, [0], [5]), "prefix_tokens of request 0 is longer than its prompt"),
    ],
)
def test_traces_are_refused_by_name(columns, named):
    with pytest.raises(UserError, match="replay: ") as error:
        Trace.of(*columns)
    assert named in str(error.value)


@pytest.mark.parametrize(("pool", "running"), [(17, 2), (16, 1)])
def test_admission_counts_the_window_of_a_sliding_group_and_what_a_step_computes(pool, running):
    """8 tokens need 8 blocks of a full group, and 4 + 1 of one whose window of 1 slides by up to 4 tokens a step."""
    own = Settings("paged", pool, block_size=1, max_step_tokens=4, long_prefill_tokens=2, windows=(1, 0))
    first = replay(Trace.of([8, 8], [1, 1]), own, keep_steps=True).steps
    assert first["allocated"][0] == 4 * running  # 2 tokens in 2 groups each
    assert first["running"][0] == running


def test_a_workload_file_is_a_trace():
    table = workload([[1, 2, 3], [4]], [7, 8], arrivals=[0.0, 1.5])
    trace = Trace.from_table(table)
    assert trace.prompt_tokens.tolist() == [3, 1]
    assert trace.output_tokens.tolist() == [7, 8]
    assert trace.arrival_ns.tolist() == [0, 1_500_000_000]


def same_texts(prompts, block_size):
    """Brute force: (request, request, block index) of all pairs with the same text up to the end of that full block."""
    return {
        (a, b, place)
        for a, one in enumerate(prompts)
        for b, other in enumerate(prompts)
        for place in range(min(len(one), len(other)) // block_size)
        if a != b and one[: (place + 1) * block_size] == other[: (place + 1) * block_size]
    }


def found_texts(trace, block_size):
    texts = block_texts(trace.text_order, trace.common_tokens, block_size)
    places = [(a, place) for a, place in np.ndindex(texts.shape) if texts[a, place] >= 0]
    assert texts.max(initial=-1) < len(trace)
    return {(a, b, place) for a, place in places for b, at in places if a != b and at == place
            and texts[a, place] == texts[b, place]}  # fmt: skip


@pytest.mark.parametrize("block_size", [1, 2, 3, 5])
def test_requests_that_begin_alike_are_found_from_their_token_ids(block_size):
    """Nested prefixes, branches, equal prompts, and tokens whose byte order differs from their numeric order."""
    rng = np.random.default_rng(0)
    prompts = [[int(t) for t in rng.choice([0, 1, 256, 70_000], rng.integers(1, 14), p=[0.7, 0.1, 0.1, 0.1])]
               for _ in range(40)]  # fmt: skip
    table = workload(prompts, [1] * 40)
    assert found_texts(Trace.from_table(table, prefix_sharing=True), block_size) == same_texts(prompts, block_size)
    assert not found_texts(Trace.from_table(table), block_size)


def test_groups_and_token_ids_say_the_same():
    group, prefix, prompt = [0, 1, 0, -1, 0, 1], [6, 4, 2, 0, 9, 4], [6, 9, 8, 5, 9, 4]
    prompts = [[g if at < p else 10 + 100 * n + at for at in range(length)]
               for n, (g, p, length) in enumerate(zip(group, prefix, prompt, strict=True))]  # fmt: skip
    trace = Trace.of(prompt, [1] * 6, None, group, prefix)
    assert found_texts(trace, 2) == same_texts(prompts, 2) != set()


def test_only_sharing_looks_at_texts():
    trace = Trace.of([8, 8], [2, 2], None, [0, 0], [8, 8])
    off, on = (replay(trace, Settings("paged", 12, block_size=4, prefix_sharing=on)).totals for on in (False, True))
    assert (off.max_running, off.prefix_hit_tokens) == (1, 0)
    assert (on.max_running, on.prefix_hit_tokens) >= (2, 4)


def test_arrivals_need_a_step_time():
    with pytest.raises(UserError, match="a step takes no time; set step_time"):
        replay(Trace.of([1, 1], [1, 1], [0, 1]), Settings("paged", 100))
    with pytest.raises(UserError, match="give times from 0 to a day"):
        StepTime.of(float("nan"))


def test_one_request_by_hand():
    found = replay(Trace.of([5], [4]), Settings("paged", 100, block_size=4), keep_steps=True)
    assert found.steps["live"].tolist() == [5, 6, 7, 8]
    assert found.steps["reserved"].tolist() == [3, 2, 1, 0]
    assert found.steps["allocated"].tolist() == [8] * 4
    assert found.totals.utilisation == 26 / 32
    assert found.totals.unused == 4 * 92


def test_a_reservation_by_hand():
    """13 slots take a buddy chunk of 16; the request will fill 8 of them."""
    own = Settings("reserve-max", 40, max_length=13)
    found = replay(Trace.of([5], [4]), own, keep_steps=True)
    assert [found.steps[part].tolist() for part in PARTS[:3]] == [[5, 6, 7, 8], [3, 2, 1, 0], [8] * 4]
    assert found.steps["largest_hole"].tolist() == [16] * 4  # 40 = 32 + 8; the 32 was split


def test_time_and_arrivals_by_hand():
    """Steps of 1 s + 0.1 s per token; the second request arrives during the first one's second step."""
    trace = Trace.of([10, 3], [3, 2], [0.5, 3.0])
    found = replay(trace, Settings("paged", 64, step_time=StepTime.of(1, 0.1)), keep_steps=True)
    assert (found.steps["t_ns"] / 1e9).tolist() == [0.5, 2.5, 3.6, 5.0]
    assert found.steps["scheduled_tokens"].tolist() == [10, 1, 4, 1]
    assert (found.requests.first_token_ns / 1e9).tolist() == [2.5, 5.0]
    assert (found.requests.finish_ns / 1e9).tolist() == [5.0, 6.1]
    assert found.totals.end_ns == 6.1e9


def test_each_scheduled_sequence_has_its_own_cost():
    """Steps of 1 s + 0.1 s per token + 2 s per sequence; a padded batch pays for both rows until it ends."""
    cost = StepTime.of(1, 0.1, 2)
    trace = Trace.of([4, 2], [2, 3])
    paged = replay(trace, Settings("paged", 64, step_time=cost), keep_steps=True)
    assert (np.diff(paged.steps["t_ns"]) / 1e9).tolist() == [1 + 0.6 + 4, 1 + 0.2 + 4]
    assert paged.totals.end_ns == paged.steps["t_ns"][2] + 3.1e9
    padded = replay(trace, Settings("hf-batch", 64, step_time=cost), keep_steps=True)
    assert (np.diff(padded.steps["t_ns"]) / 1e9).tolist() == [1 + 0.8 + 4, 1 + 0.2 + 4]
    assert padded.totals.end_ns == padded.steps["t_ns"][2] + 5.2e9


def test_a_step_with_a_prompt_takes_longer():
    """Steps of 1 s, and 4 s more where a prompt or a part of one is computed, of two requests or in three steps."""
    cost = StepTime.of(1, prefill_s=4)
    paged = replay(Trace.of([4, 2], [2, 3]), Settings("paged", 64, step_time=cost), keep_steps=True)
    assert (np.append(paged.steps["t_ns"], paged.totals.end_ns) / 1e9).tolist() == [0, 5, 6, 7]
    padded = replay(Trace.of([4, 2], [2, 3]), Settings("hf-batch", 64, step_time=cost), keep_steps=True)
    assert (np.append(padded.steps["t_ns"], padded.totals.end_ns) / 1e9).tolist() == [0, 5, 6, 7]
    parts = replay(Trace.of([9], [2]), Settings("paged", 64, max_step_tokens=4, step_time=cost), keep_steps=True)
    assert parts.steps["scheduled_tokens"].tolist() == [4, 4, 1, 1]
    assert parts.totals.end_ns == (5 + 5 + 1 + 1) * 1e9  # the last part is one token, as a decode step


@pytest.mark.parametrize(
    ("clock", "told"),
    [([], "not a list of whole nanoseconds"), ([0.5], "not a list"), ([3, 5, 4], "step 2 begins before step 1")],
)
def test_a_broken_clock_is_named(clock, told):
    with pytest.raises(UserError, match=told):
        replay(Trace.of([1], [1]), Settings("paged", 64), clock_ns=clock)


def test_a_measured_step_knows_what_had_arrived_when_it_began():
    """The third request arrives between the second step and the third; the engine is idle at the fifth."""
    trace = Trace.of([4, 4, 4, 4], [3, 1, 1, 1], [0, 1e-8, 2.5e-8, 9e-8])
    found = replay(trace, Settings("paged", 64), clock_ns=[5, 20, 30, 60, 100], keep_steps=True)
    assert found.steps["t_ns"].tolist() == [5, 20, 30, 60, 100]
    assert found.steps["scheduled_tokens"].tolist() == [4, 5, 5, 0, 4]
    assert found.requests.start_ns.tolist() == [5, 20, 30, 100]
    assert found.requests.finish_ns.tolist() == [60, 30, 60, 100]


def test_a_clock_that_ends_leaves_requests():
    found = replay(Trace.of([4, 4], [3, 1], [0, 1]), Settings("paged", 64), clock_ns=[0, 7])
    assert found.requests.finish_ns.tolist() == [-1, -1]
    assert found.totals.steps == 2


def test_external_fragmentation_is_what_lies_apart():
    """Reservations of 10, 15 and 10 in 36 slots: the middle one stays, and no hole of the 21 free slots holds 15."""
    trace = Trace.of([8, 8, 8, 10], [3, 8, 3, 6])
    found = replay(trace, Settings("oracle", 36, allocator="best-fit"), keep_steps=True)
    stuck = found.steps["external"]
    assert stuck.max() == 36 - 15  # 10 before it and 11 behind
    assert found.steps["largest_hole"][stuck.argmax()] == 11


@pytest.mark.parametrize("policy", POLICIES)
def test_totals_and_series_are_sums_of_the_steps(policy):
    rng = np.random.default_rng(1)
    trace = Trace.of(rng.integers(1, 200, 400), rng.integers(1, 200, 400), np.sort(rng.uniform(0, 20, 400)))
    own = Settings(policy, 5000, max_length=512, max_running=20, step_time=StepTime.of(0.01, 1e-5))
    told = []
    found = replay(trace, own, keep_steps=True, series_bins=50, progress=told.append)
    steps, totals, series = found.steps, found.totals, found.series
    assert sum(told) == len(trace)
    assert totals.steps == len(steps["t_ns"]) == series.steps.sum() > 1000
    for name in SUMMED:
        assert getattr(totals, name) == steps[name].sum() == series.sums[name].sum()
    assert totals.unused == (5000 - steps["allocated"]).sum() == series.sums["unused"].sum()
    assert totals.allocated == steps["allocated"].sum()
    assert totals.unused_when_refused == (5000 - steps["allocated"])[steps["refused"] == 1].sum()
    assert totals.waiting_steps == (steps["waiting"] > 0).sum()
    assert totals.max_running == steps["running"].max() <= 20
    assert totals.max_allocated == steps["allocated"].max() <= 5000
    assert totals.preemptions == steps["preemptions"][-1] == found.requests.preemptions.sum()
    first = np.concatenate([[0], np.cumsum(series.steps)[:-1]])
    assert 25 <= len(series.t_ns) <= 50
    np.testing.assert_array_equal(series.t_ns, steps["t_ns"][first])
    np.testing.assert_array_equal(series.sums["live"], np.add.reduceat(steps["live"], first))
    times = found.requests
    assert (trace.arrival_ns <= times.start_ns).all()
    assert ((times.start_ns < times.first_token_ns) & (times.first_token_ns <= times.finish_ns)).all()


def test_the_size_of_the_buffer_changes_nothing(monkeypatch):
    rng = np.random.default_rng(2)
    trace = Trace.of(rng.integers(1, 90, 60), rng.integers(1, 90, 60))
    for policy in POLICIES:
        own = Settings(policy, 900, max_length=256, max_running=8)
        whole = replay(trace, own, series_bins=40)
        monkeypatch.setattr("kvbench.replay.simulate.CHUNK", 7)
        parts = replay(trace, own, series_bins=40)
        monkeypatch.undo()
        assert whole.totals == parts.totals
        np.testing.assert_array_equal(whole.series.sums["live"], parts.series.sums["live"])
        np.testing.assert_array_equal(whole.requests.finish_ns, parts.requests.finish_ns)


def test_numba_is_not_imported_with_the_library():
    code = "import sys, kvbench.replay; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, check=False).returncode == 0
