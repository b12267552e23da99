"""What is recorded of a scenario: its table rows by policy, its series and its steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.scenarios import STEP, ran, scenario

from kvbench.replay import Settings, replay
from kvbench.replay.requests import trace_of
from kvbench.replay.scenario import outcomes, series_table, steps_table
from kvbench.replay.table import REGION


def test_the_table_has_a_row_a_policy_with_what_was_replayed(tmp_path: Path) -> None:
    found, rows = ran(tmp_path)
    assert list(rows["policy"]) == found["settings"]["policies"]
    trace = trace_of(scenario(), 0, "replays.x")
    for row in rows.itertuples():
        again = replay(trace, Settings(row.policy, 1030, 256, 2048, 128))
        assert (row.steps, row.preemptions) == (again.totals.steps, again.totals.preemptions)
        assert row.running_peak_requests == again.totals.max_running
    by = rows.set_index("policy")
    assert by.loc["reserve-max", "running_mean_requests"] == 1024 // 128
    assert by.loc["reserve-max", "blocked_share_of_region"] == pytest.approx(6 / 1030, rel=1e-4)
    assert by.loc["paged", "running_mean_requests"] > by.loc["oracle", "running_mean_requests"]
    assert rows[[f"{name}_share_of_region" for name in REGION]].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    assert rows["simulated_s"].isna().all()
    assert rows["requests_per_s"].isna().all()


def test_a_rate_gives_times(tmp_path: Path) -> None:
    found, rows = ran(tmp_path, requests_per_s=2.0, step_time=STEP, policies=["paged"])
    [row] = rows.to_dict("records")
    assert row["window"] == "arrivals"
    assert row["simulated_s"] >= row["last_arrival_s"] == pytest.approx(200, rel=0.2)
    assert row["step_time_source"] == "a test"
    assert found["policies"]["paged"]["totals"]["end_ns"] == pytest.approx(row["simulated_s"] * 1e9, rel=1e-5)


def test_series_and_steps_are_tables_by_policy() -> None:
    own = scenario(keep_steps=True, policies=["oracle", "paged"], series_bins=100)
    trace = trace_of(own, 0, "replays.x")
    told = []
    kept = list(outcomes(own, trace, told.append))
    assert sum(told) == 2 * 400
    series, steps = series_table(kept).to_pandas(), steps_table(kept).to_pandas()
    for one in kept:
        mine = series[series["policy"] == one.settings.policy]
        assert len(mine) <= 100
        assert mine["steps"].sum() == one.found.totals.steps == (steps["policy"] == one.settings.policy).sum()
        assert mine["live"].sum() == one.found.totals.live
        assert mine["unused_when_refused"].sum() == one.found.totals.unused_when_refused
    none = list(outcomes({**own, "keep_steps": False}, trace))
    assert steps_table(none).num_rows == 0
    assert steps_table(none).schema.equals(steps_table(kept).schema)
