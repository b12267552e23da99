"""The figure of upkeep draws a line per engine and block size in each of its panels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders.pipeline import texts

from kvbench.analysis.tables.upkeep import bin_label
from kvbench.figures import upkeep as figure


def table(*runs, **more):
    """Rows of upkeep.csv from runs of (engine, point, block size, powers of two of its bins)."""
    rows = []
    for engine, point, size, powers in runs:
        own = {"engine": engine, "point": point, "block_size": size, "steps": 20, "async_scheduling": False}
        rows.append(own | {"running_requests": "all", "running_mean_requests": 3.3})
        rows += [own | {"running_requests": bin_label(n), "running_mean_requests": max(1, 0.7 * 2**n)} for n in powers]
    frame = pd.DataFrame(rows)
    frame["allocate_share_of_step"] = 0.001 * (1 + np.arange(len(frame)))
    frame["tables_share_of_step"] = 0.002 * (1 + np.arange(len(frame)))
    return frame.assign(**more)


def test_each_panel_has_the_bins_of_each_engine_and_block_size():
    rows = table(
        ("vllm-reserved", "base", 32, [0, 1]), ("vllm", "base", 32, [0, 2]), ("vllm", "block_size-64", 64, [1])
    )
    drawn = figure.draw(rows)
    for axes, name in zip(drawn.axes, ["allocate_share_of_step", "tables_share_of_step"], strict=True):
        found = [line.get_xydata() for line in axes.lines if len(line.get_xdata())]
        bins = rows[rows["running_requests"] != "all"]
        for line, (_, own) in zip(found, bins.groupby(["engine", "block_size"], sort=False), strict=True):
            np.testing.assert_allclose(line, np.stack([own["running_mean_requests"], 100 * own[name]], axis=1))
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] > 100 * bins[name].max()
    for label in ("vllm-reserved, blocks of 32", "vllm, blocks of 32", "vllm, blocks of 64"):
        assert label in texts(drawn)
    styles = [(line.get_linestyle(), tuple(line.get_color())) for line in drawn.axes[0].lines[::2]]
    assert len(set(styles)) == 3


def test_points_with_a_block_size_that_is_drawn_already_are_left_out():
    rows = table(("vllm", "base", 32, [0]), ("vllm", "kv_budget_mib-16", 32, [0, 1]))
    [(_, line)] = figure.lines_of(rows)
    assert set(line["point"]) == {"base"}


@pytest.mark.parametrize("powers", [[0], [0, 1], range(9), [8]])
def test_ticks_are_powers_of_two_in_sight(powers):
    axes = figure.draw(table(("vllm", "base", 16, powers))).axes[0]
    low, high = axes.get_xlim()
    ticks = axes.get_xticks()
    assert 1 <= len(ticks) <= 6
    assert all(np.log2(tick).is_integer() and low < tick < high for tick in ticks)


def test_bins_of_few_steps_are_hollow():
    rows = table(("vllm", "base", 16, [0, 1, 2]))
    assert "Hollow" not in texts(figure.draw(rows))
    rows.loc[2, "steps"] = 9
    drawn = figure.draw(rows)
    assert "Hollow: fewer than 10 steps" in texts(drawn).replace("\n", " ")
    for axes in drawn.axes:
        _, hollow = axes.lines
        assert (list(hollow.get_xdata()), hollow.get_markerfacecolor()) == (
            [rows.loc[2, "running_mean_requests"]],
            "white",
        )


def test_asynchronous_scheduling_is_said():
    rows = table(("vllm", "base", 16, [0, 4]))
    assert "not a slowdown" not in texts(figure.draw(rows)).replace("\n", " ")
    assert "not a slowdown" in texts(figure.draw(rows.assign(async_scheduling=True))).replace("\n", " ")


def test_without_a_bin_the_figure_says_so():
    assert "No run of vLLM" in texts(figure.draw(table(("vllm", "base", 16, []))))
