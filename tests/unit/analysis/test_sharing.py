"""Sharing and preemption: shares, ratios and recomputed tokens from steps whose values are known by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders.places import PUBLISHED
from builders.shared import write_shared_runs
from builders.tables import figure_rows

from kvbench.analysis.published import read_published
from kvbench.analysis.tables import repeats, sharing
from kvbench.analysis.tables.reuse import preemption_facts, sharing_facts
from kvbench.errors import UserError
from kvbench.figures import sharing as figure
from kvbench.figures.data import block_traces
from kvbench.files import read_parquet
from kvbench.kv.paged import rebuild, shared_split
from kvbench.kv.schedule import ADMITTED, Schedule
from kvbench.kv.split import final_kv_length

REQUESTS = pd.DataFrame(
    {"prompt_tokens": [64, 64], "output_tokens": [3, 3], "cached_tokens": [0, 32], "preemptions": [0, 2]}
)


def steps_of(**columns):
    rows = len(next(iter(columns.values())))
    given = {"prefix_hit_tokens": [32] * rows, "scheduled_tokens": [0] * rows}
    return pd.DataFrame(given | columns)


def test_saved_blocks_are_of_those_without_sharing():
    found = sharing_facts(steps_of(unshared=[128, 64, 192], allocated=[64, 64, 96]), REQUESTS)
    assert found["saved_share"] == pytest.approx(1 - 224 / 384)
    assert found["saved_largest_share"] == 0.5
    assert found["prefix_hit_tokens"] == 32
    assert found["prefix_hit_share_of_prompts"] == 0.25


def test_an_engine_that_does_not_count_hits_has_no_share_of_them():
    blind = REQUESTS.assign(cached_tokens=[None, None])
    found = sharing_facts(steps_of(unshared=[64], allocated=[64]), blind)
    assert found["prefix_hit_share_of_prompts"] is None
    assert found["saved_share"] == 0


def test_tokens_computed_again_are_those_beyond_what_requests_need():
    """Needed are 66 + 66 − 32 found; 150 were computed."""
    found = preemption_facts(steps_of(scheduled_tokens=[100, 50]), REQUESTS, 2)
    assert (found["computed_tokens"], found["recomputed_tokens"]) == (150, 50)
    assert found["recomputed_share_of_computed"] == pytest.approx(1 / 3)
    assert found["preemptions_per_request"] == 1
    assert found["preempted_requests_share"] == 0.5


def schedule_of(**changes):
    """Three requests of 70 prompt tokens, 64 of them in common, and 2 output tokens; the third is still waiting.

    Step 0: two admitted, 5 blocks in use. Step 1: one token each. Step 2: both are complete and hold their blocks.
    """
    given = {
        "t_ns": [0, 1, 2],
        "free_blocks": [5, 5, 6],
        "running": [2, 2, 2],
        "waiting": [0, 0, 0],
        "scheduled_tokens": [76, 2, 0],
        "dump_length": [2, -1, 0],
        "dump_request": [0, 1],
        "dump_tokens": [70, 6],
        "event_step": [0, 0],
        "event_kind": [ADMITTED, ADMITTED],
        "event_request": [0, 1],
        "event_tokens": [0, 64],
        "request_ids": ["0", "1"],
        **{key: [] for key in ("block_step", "block_request", "block_tokens", "block_length", "block_ids")},
    }
    arrays = {name: np.array(values) for name, values in (given | changes).items()}
    scalars = {"end_ns": 3, "end_free_blocks": 9, "end_requests": 0, "total_blocks": 9, "block_size": 32, "hook_s": 0.0}
    return Schedule(**arrays, **scalars)


def test_complete_requests_that_share_do_not_count_their_blocks_twice():
    """Both tables hold 3 blocks, 4 distinct; once both are complete all 4 are finished and nothing is live."""
    schedule = schedule_of(free_blocks=[5, 5, 5])
    split = shared_split(schedule, rebuild(schedule, final_kv_length([70, 70], [2, 2])))
    assert split.live.tolist() == [64 + 2 * 6, 64 + 2 * 7, 0]
    assert split.reserved.tolist() == [2, 0, 0]
    assert split.internal.tolist() == [2 * 25, 2 * 25, 0]
    assert split.finished.tolist() == [0, 0, 4 * 32]


def test_a_complete_requests_own_blocks_are_finished_beside_a_running_one():
    """The second request found 64 tokens and holds one block of its own."""
    schedule = schedule_of(free_blocks=[5, 5, 5])
    split = shared_split(schedule, rebuild(schedule, final_kv_length([70, 70], [9, 2])))
    assert split.finished.tolist() == [0, 0, 32]
    assert split.live.tolist() == [64 + 2 * 6, 64 + 2 * 7, 64 + 7]
    assert split.allocated.tolist() == [128, 128, 128]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_shared_runs(tmp_path_factory.mktemp("sharing"))


def test_the_table_sets_both_points_against_each_other(runs):
    samples = repeats.table(runs)
    [row] = sharing.table(runs, samples, 0).to_dict("records")
    assert row["saved_share_median"] == row["saved_largest_share_median"] == 0.5
    medians = samples[samples["scope"] == "all"].groupby("point")["output_tokens_per_s"].median()
    assert row["shared_output_tokens_per_s_median"] == pytest.approx(medians["prefix_sharing-true"])
    assert row["ratio"] == pytest.approx(medians["prefix_sharing-true"] / medians["prefix_sharing-false"])
    assert row["ratio_ci95_low"] <= row["ratio"] <= row["ratio_ci95_high"]
    assert (row["shared_n_repeats"], row["unshared_n_repeats"], row["requests"]) == (6, 6, 8)
    assert row["equal_outputs_share"] == 7 / 8
    assert row["disturbed_repeats"] == samples[samples["point"] != "base"].query("scope == 'all'")["disturbed"].sum()


def test_without_both_points_there_is_no_row(runs):
    one = [run for run in runs if run.point != "prefix_sharing-false"]
    assert sharing.table(one, repeats.table(one), 0).empty


def test_engines_without_blocks_save_nothing_and_say_so_by_an_empty_cell(runs):
    frame = repeats.table(runs).set_index("engine")
    assert frame.loc["hf-batch", "saved_share"].isna().all()
    assert (frame.loc["hf-batch", "preemptions"] == 0).all()
    unshared = frame.loc["vllm"].query("point == 'prefix_sharing-false'")
    assert (unshared["saved_share"] == 0).all()
    preempted = unshared["preemptions"] > 0
    assert ((unshared["recomputed_tokens"] > 0) == preempted).all()


@pytest.fixture(scope="module")
def drawn(runs, tmp_path_factory):
    table = figure_rows(tmp_path_factory.mktemp("tables"), sharing.table(runs, repeats.table(runs), 0))
    kind = figure.PUBLISHED["parallel-sampling"]
    published = {column: read_published(PUBLISHED, name) for column, name in kind.items()}
    return table, figure.draw(table, block_traces(runs, table["engine"]), published)


def test_the_figure_draws_the_table_and_the_published_values(drawn):
    table, found = drawn
    trace, saved, speed, running = found.axes
    widths = [patch.get_width() for patch in saved.patches]
    assert widths == pytest.approx([50, 9.8 - 6.1, 30.5 - 16.2])
    speeds = [table[f"{arm}_output_tokens_per_s_median"].iloc[0] for arm in ("unshared", "shared")]
    assert [patch.get_width() for patch in speed.patches] == pytest.approx(speeds)
    assert len(running.patches) == 2
    names = [label.get_text() for label in saved.get_yticklabels()]
    assert names == ["vllm, off", "vllm, on", "paper, Alpaca", "paper, ShareGPT"]
    assert "n = 6 repeats" in found._supxlabel.get_text()
    assert "Section 6.3" in found._supxlabel.get_text()
    assert trace.get_ylabel() == "KV blocks"


def test_the_trace_has_a_value_a_step_of_the_first_timed_repeat(runs):
    [(shared, unshared)] = block_traces(runs, ["vllm"])
    kv = read_parquet(runs[-1].folder / "kv.parquet").to_pandas().query("repeat == 1")
    np.testing.assert_array_equal(shared.in_use, kv["allocated"] / 32)
    np.testing.assert_array_equal(shared.unshared, 2 * shared.in_use)
    np.testing.assert_array_equal(unshared.unshared, unshared.in_use)
    assert shared.pool == 1088 // 32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", r"published.yaml: saved: missing; write a list of value, label"),
        ("saved: [{value: 1, label: a, source: b}]", r"published.yaml: saved\[0\]: conditions is missing"),
    ],
)
def test_a_broken_file_of_published_values_is_one_line(tmp_path, text, message):
    (tmp_path / "published.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_published(tmp_path / "published.yaml", "saved")


def test_every_published_value_has_its_source():
    for quantities in figure.PUBLISHED.values():
        for name in quantities.values():
            for one in read_published(PUBLISHED, name):
                assert one.source.startswith("arXiv")
                assert 0 < one.low <= one.high
