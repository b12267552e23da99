"""Sharing and preemption: shares, ratios and recomputed tokens from steps with known values."""

from __future__ import annotations

import pandas as pd
import pytest
from builders.shared import write_shared_runs

from kvbench.analysis.tables import repeats, sharing
from kvbench.analysis.tables.reuse import preemption_facts, sharing_facts

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
    """Requests need 66 + 66 tokens minus 32 from prefix hits, 100 in all; 150 were computed."""
    found = preemption_facts(steps_of(scheduled_tokens=[100, 50]), REQUESTS, 2)
    assert (found["computed_tokens"], found["recomputed_tokens"]) == (150, 50)
    assert found["recomputed_share_of_computed"] == pytest.approx(1 / 3)
    assert found["preemptions_per_request"] == 1
    assert found["preempted_requests_share"] == 0.5


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
