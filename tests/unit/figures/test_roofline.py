"""The roofline figure draws decode steps and their bounds."""

from __future__ import annotations

import numpy as np
import pytest
from builders.bandwidth import bandwidth
from builders.runs import write_runs

from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import roofline
from kvbench.figures import roofline as figure


def test_the_figure_has_a_row_a_run_with_its_step_and_bound(tmp_path):
    table = roofline.table(load_runs(write_runs(tmp_path)), bandwidth(), 0)
    table = table.assign(label=table["engine"])
    chosen = figure.one_scope(table)
    assert list(chosen["engine"]) == list(dict.fromkeys(table["engine"]))
    assert set(chosen.query("engine == 'vllm'")["scope"]) == {"all"}
    left, right = figure.draw(table).axes
    points = [line.get_xdata()[0] for line in left.lines if line.get_marker() not in ("|", "None")]
    np.testing.assert_allclose(points, 1e3 * chosen["decode_step_s_median"])
    bounds = [line.get_xdata()[0] for line in left.lines if line.get_marker() == "|"]
    np.testing.assert_allclose(bounds, 1e3 * chosen["bound_s"])
    np.testing.assert_allclose([bar.get_width() for bar in right.patches], 100 * chosen["cpu_busy_share"])


@pytest.mark.parametrize("factor", [1, 50])  # with 50, a linear axis that holds both would begin below zero
def test_the_figure_holds_steps_however_far_apart(tmp_path, factor):
    table = roofline.table(load_runs(write_runs(tmp_path)), bandwidth(), 0)
    slow = table["engine"] == table["engine"].iloc[0]
    steps = [name for name in table if name.startswith("decode_step_s_")]
    table.loc[slow, steps] *= factor
    table = table.assign(label=table["engine"])
    low, high = figure.draw(table).axes[0].get_xlim()
    shown = 1e3 * figure.one_scope(table)[["bound_s", "decode_step_s_median"]]
    assert 0 < low <= shown.min(axis=None)
    assert shown.max(axis=None) <= high < 10 * shown.max(axis=None)
