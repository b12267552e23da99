"""The KV-budget figure draws the points and the replay, but no replayed throughput."""

from __future__ import annotations

import numpy as np
import pytest
from builders.drawn import lines_of, points_of

from kvbench.figures import points, preemption
from kvbench.figures.data.rows import rows_of


@pytest.mark.parametrize("width_in", [3.5, 7])
def test_preemption_draws_points_and_the_replay_but_no_replayed_speed(sweep_tables, width_in):
    table, replays = rows_of(sweep_tables[0], "smollm2-135m", "mixed"), sweep_tables[2]
    differs = (table["engine"] == "vllm") & (table["point"] == "kv_budget_mib-16")
    columns = ["equals_replay", "difference_steps", "replay_steps", "difference_preemptions"]
    table.loc[differs, columns] = ["no", 3, 200, -1]
    figure = preemption.draw(table, replays, {"width_in": width_in})
    assert figure.get_size_inches()[0] == width_in
    events, again, speed = figure.axes
    vllm = table[table["engine"] == "vllm"]
    assert points_of(events)[1][0].tolist() == vllm["preemptions_per_request_median"].tolist()
    assert points_of(again)[1][0] == pytest.approx(100 * vllm["recomputed_share_of_computed_median"])
    [(x, y)] = lines_of(events)
    assert (x[0], x[-1]) == (544, 4096)
    assert len(x) > 20
    assert (y[0], y[-1]) == (replays["preemptions_per_request"][0], 0)
    assert not lines_of(speed)
    ends = np.array(points_of(speed)[1][1])
    np.testing.assert_allclose(ends, vllm[["output_tokens_per_s_ci95_low", "output_tokens_per_s_ci95_high"]])
    text = " ".join(figure._supxlabel.get_text().split())
    assert "n = 6 repeats, whisker: 95% bootstrap interval" in text
    assert "at 1 of 2 points the live engine differs: steps +1.5%, preemptions -1 blocks" in text


def test_points_without_a_replay_say_nothing_of_one(sweep_tables):
    table = rows_of(sweep_tables[0], "smollm2-135m", "mixed").query("engine == 'hf-continuous'")
    none = sweep_tables[2].iloc[:0]
    assert "replay" not in points.caption(table)
    assert [handle.get_label() for handle in points.handles(table, none)] == ["hf-continuous"]
    assert preemption.draw(table, none).axes
