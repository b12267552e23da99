"""The sweeps table: live values, replayed values and their differences."""

from __future__ import annotations

import copy
import dataclasses

import pandas as pd
import pytest
from builders.simulated_engine import BLOCK
from builders.swept import TRACE

from kvbench.analysis.tables import sweeps
from kvbench.files import read_parquet, read_table
from kvbench.replay import replay
from kvbench.replay.live_run import settings_of


def test_live_values_stand_beside_the_replay_and_their_difference(swept, sweep_tables):
    rows = sweep_tables[1].query("engine == 'vllm'").set_index("point")
    for run in swept[2:]:
        row, totals = rows.loc[run.point], replay(TRACE, settings_of(run)).totals
        steps = read_parquet(run.folder / "kv.parquet").to_pandas().query("repeat == 1 and running > 0")
        live = {"steps": len(steps), "block_steps": steps["allocated"].sum() // BLOCK}
        live |= {"computed_tokens": steps["scheduled_tokens"].sum(), "live_slot_steps": steps["live"].sum()}
        live["preemptions"] = run.timed("all")[0]["preemptions"]
        replayed = {"steps": totals.steps, "block_steps": totals.allocated // BLOCK, "live_slot_steps": totals.live}
        replayed |= {"computed_tokens": totals.scheduled_tokens, "preemptions": totals.preemptions}
        for name in sweeps.COUNTS:
            assert row[f"least_{name}"] == row[f"most_{name}"] == live[name], name
            assert row[f"replay_{name}"] == replayed[name], name
            assert row[f"difference_{name}"] == live[name] - replayed[name], name
    # The synthetic engine, written independently of the replay, schedules and preempts as it does.
    assert rows["equals_replay"].tolist() == ["yes", "yes"]
    assert rows["most_preemptions"].gt(0).tolist() == [True, False]
    assert rows["n_repeats"].tolist() == [6, 6]
    samples = read_table(sweep_tables[0].parent / "repeats.csv").query("scope == 'all' and engine == 'vllm'")
    medians = samples.groupby("point")["output_tokens_per_s"].median()
    assert rows["output_tokens_per_s_median"].to_dict() == pytest.approx(medians.to_dict(), rel=1e-5)


def test_the_repeat_that_differs_most_is_what_counts(swept, sweep_tables):
    samples = read_table(sweep_tables[0].parent / "repeats.csv")
    one = (samples["engine"] == "vllm") & (samples["point"] == "kv_budget_mib-128") & (samples["scope"] == "all")
    changed = samples.copy()
    changed.loc[changed.index[one][:2], "preemptions"] += [1, 3]
    other = sweep_tables[2].assign(steps=sweep_tables[2]["steps"] + 2)
    row = sweeps.table({"kv_budget_mib": swept[3:]}, changed, other, 0).iloc[0]
    assert row["difference_steps"] == -2
    assert (row["difference_preemptions"], row["least_preemptions"], row["most_preemptions"]) == (3, 0, 3)
    assert row["equals_replay"] == "no"


def test_a_base_point_has_a_row_in_its_place_in_each_sweep(swept, sweep_tables):
    """The base point of 4096 slots sorts between pools of 544 and 8192; in the block-size sweep it is alone."""
    samples = read_table(sweep_tables[0].parent / "repeats.csv")
    samples = samples[samples["engine"] == "vllm"].replace({"point": {"kv_budget_mib-128": "base"}})
    records = [copy.deepcopy(run.record) for run in swept[2:]]
    records[1]["point"] = "base"
    records.append(copy.deepcopy(records[0]))
    records[2]["point"] = "kv_budget_mib-256"
    records[2]["capacity"]["pool_slots"] = 8192
    samples = pd.concat([samples, samples[samples["point"] == "kv_budget_mib-16"].assign(point="kv_budget_mib-256")])
    first, base, last = (dataclasses.replace(swept[2], record=record) for record in records)
    base = dataclasses.replace(base, folder=swept[3].folder)
    points = {"block_size": [base], "kv_budget_mib": [base, first, last]}
    found = sweeps.table(points, samples, sweep_tables[2].iloc[:0], 0)
    assert found["sweep"].tolist() == ["block_size"] + ["kv_budget_mib"] * 3
    assert found["point"].tolist() == ["base", "kv_budget_mib-16", "base", "kv_budget_mib-256"]
    assert found["pool_slots"].tolist() == [4096, 544, 4096, 8192]


def test_an_engine_without_a_replay_has_empty_cells(sweep_tables):
    rows = sweep_tables[1].query("engine == 'hf-continuous'")
    assert rows[[name for name in rows if name.startswith(("replay_", "difference_"))]].isna().all(axis=None)
    assert rows["equals_replay"].isna().all()
    assert rows["output_tokens_per_s_median"].notna().all()


def test_without_sweeps_there_are_no_rows():
    empty = sweeps.read_replays([])
    found = sweeps.table({}, pd.DataFrame({"scope": []}), empty, 0)
    assert list(found) == list(sweeps.COLUMNS)
    assert found.empty
