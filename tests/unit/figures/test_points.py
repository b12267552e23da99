"""Captions on how measured points differ from their replay."""

from __future__ import annotations

from kvbench.figures import points
from kvbench.figures.data.rows import rows_of


def test_differences_of_several_points_are_a_range(sweep_tables):
    table = rows_of(sweep_tables[0], "smollm2-135m", "mixed").query("engine == 'vllm'")
    given = {"equals_replay": "no", "difference_computed_tokens": [10, 0], "replay_computed_tokens": [1000, 500]}
    assert points.caption(table.assign(**given)).endswith("differs: tokens computed +0% to +1%")
