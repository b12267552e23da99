"""The attribution waterfall, and its notes on factors without a ratio."""

import numpy as np
import pytest
from builders.speeds import median_speed
from builders.tables import factor_row, figure_rows
from builders.text_boxes import assert_inside

from kvbench.analysis.tables import attribution
from kvbench.figures import attribution as figure
from kvbench.figures.not_drawn import NOTHING
from kvbench.figures.style import look

SPEED = "output_tokens_per_s_median"


@pytest.fixture(scope="module")
def table(long_runs):
    return attribution.table(long_runs, seed=0)


def test_the_waterfall_begins_where_the_factor_before_ended(table, tmp_path):
    rows = figure_rows(tmp_path, table)
    ratios, speeds, waits = figure.draw(rows).axes
    bars = [bar for c in ratios.containers if hasattr(c, "patches") for bar in c.patches]
    runtime, batching, price, total, price_of_all, capacity = bars[:6]
    assert runtime.get_x() == 1
    assert batching.get_x() == pytest.approx(runtime.get_x() + runtime.get_width())
    ends = [bar.get_x() + bar.get_width() for bar in (batching, price)]
    assert ends[1] == pytest.approx(ends[0] * factor_row(table, "price of paging")["ratio"], rel=1e-5)
    assert ends[1] < ends[0]
    assert total.get_x() == price_of_all.get_x() == capacity.get_x() == 1
    for bar, factor in ((price_of_all, "price of paging"), (capacity, "capacity of paging")):
        assert bar.get_width() == pytest.approx(factor_row(table, factor, "side")["ratio"] - 1, rel=1e-4)
    assert "not measurable here" in {text.get_text() for text in ratios.texts}
    marks = [line for line in speeds.lines if line.get_marker() == look("vllm-sequential").marker]
    assert marks[0].get_xdata() == pytest.approx([factor_row(table, "batching")[f"denominator_{SPEED}"]] * 1, rel=1e-2)
    blocks = [line.get_xdata()[0] for line in waits.lines if line.get_marker() == "|"]
    shares = [x for x in blocks if not np.isnan(x)]
    assert shares[-1] == pytest.approx(
        100 * factor_row(table, "capacity of paging", "side")["numerator_steps_waiting_for_blocks_share"], rel=1e-4
    )
    assert len(ratios.get_yticklabels()) == 13


@pytest.mark.parametrize(("name", "places"), [("same_host", "hosts"), ("same_gpus", "GPUs of one host")])
def test_the_caption_says_if_engines_of_a_pair_ran_in_different_places(table, tmp_path, name, places):
    apart = table.assign(**{name: [False, *table[name][1:]]})
    for rows, told in ((apart, True), (table, False), (table.drop(columns=["same_host", "same_gpus"]), False)):
        caption = " ".join(figure.draw(figure_rows(tmp_path, rows)).get_supxlabel().split())
        assert (f"some of engines on different {places};" in caption) == told


def test_engines_that_were_not_run_are_said_in_the_figure(long_runs, tmp_path):
    some = [run for run in long_runs if run.engine in ("hf-sequential", "vllm")]
    axes = figure.draw(figure_rows(tmp_path, attribution.table(some, 0)), {"width_in": 3.5}).axes[0]
    assert "vllm-sequential was not run" in {" ".join(text.get_text().split()) for text in axes.texts}
    assert len(axes.get_yticklabels()) == 4


@pytest.mark.parametrize("width_in", [3.5, 7])
def test_reasons_leave_room_for_the_panels_beside_them(long_runs, tmp_path, width_in):
    some = [run for run in long_runs if run.engine in ("vllm-contiguous", "vllm-reserved", "vllm")]
    drawn = figure.draw(figure_rows(tmp_path, attribution.table(some, 0)), {"width_in": width_in})
    said = {" ".join(text.get_text().split()) for text in drawn.axes[0].texts}
    assert "vllm-sequential and hf-sequential were not run" in said
    assert_inside(drawn)


def test_of_two_engines_without_the_chain_the_ratio_is_drawn(long_runs, tmp_path):
    some = [run for run in long_runs if run.engine in ("hf-batch", "vllm")]
    rows = figure_rows(tmp_path, attribution.table(some, 0))
    found = factor_row(rows, "over padded batches", "side")
    assert found["ratio"] == pytest.approx(median_speed(some[1], "all") / median_speed(some[0], "all"))
    axes = figure.draw(rows).axes[0]
    assert [bar.get_x() + bar.get_width() for bar in axes.patches] == pytest.approx([found["ratio"]])


def test_one_engine_alone_makes_a_figure_of_reasons(long_runs, tmp_path):
    alone = [run for run in long_runs if run.engine == "hf-batch"]
    drawn = figure.draw(figure_rows(tmp_path, attribution.table(alone, 0)))
    assert drawn.get_supxlabel() == "of no pair were both engines run"
    assert drawn.get_label() == NOTHING
    assert figure.draw(figure_rows(tmp_path, attribution.table(long_runs, 0))).get_label() == ""
    assert not drawn.axes[0].patches
    drawn.draw_without_rendering()
    assert max(axes.get_tightbbox().x1 for axes in drawn.axes) <= drawn.bbox.x1
