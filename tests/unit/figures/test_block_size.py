"""The block-size figure draws the points, the replay and the paper's block sizes."""

from __future__ import annotations

import numpy as np
import pytest
from builders.drawn import lines_of, points_of
from builders.places import PUBLISHED
from builders.swept import WORKLOAD

from kvbench.analysis.published import read_published
from kvbench.figures import block_size
from kvbench.figures.data.rows import rows_of
from kvbench.replay import sweep


def by_size(sweep_tables):
    """Turn vllm's rows of the KV-budget sweep into a block-size sweep with 3 repeats."""
    vllm = rows_of(sweep_tables[0], "smollm2-135m", "mixed").query("engine == 'vllm'")
    unknown = {name: np.nan for name in vllm if "_ci95_" in name}
    return vllm.assign(**unknown, n_repeats=3, sweep="block_size", block_size=[32, 128], equals_replay="yes")


@pytest.mark.parametrize("width_in", [3.5, 7])
def test_block_size_draws_ranges_below_six_repeats_and_block_sizes_of_the_paper(sweep_tables, sized, width_in):
    table, replays = by_size(sweep_tables), sweep.table(sweep.plan(sized, "block_size"), WORKLOAD)
    published = read_published(PUBLISHED, block_size.PUBLISHED["sharegpt"])
    figure = block_size.draw(table, replays, published, {"width_in": width_in})
    filled, speed = figure.axes
    [(x, y)] = lines_of(filled)
    assert list(x) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert y[0] == 100
    assert points_of(filled)[0][0] == pytest.approx(100 * table["live_share_of_allocated_median"])
    np.testing.assert_allclose(
        np.array(points_of(speed)[0][1]), table[["output_tokens_per_s_min", "output_tokens_per_s_max"]]
    )
    assert not lines_of(speed)
    [bar] = [line for line in speed.lines if line.get_linewidth() == 4]
    assert list(bar.get_xdata()) == [16, 128]
    assert [t.get_text() for t in speed.texts] == ["paper, ShareGPT: least latency"]
    assert [t.get_text() for t in filled.get_xticklabels()] == [str(1 << n) for n in range(8)]
    text = " ".join(figure._supxlabel.get_text().split())
    assert "n = 3 repeats, whisker: range" in text
    assert "exactly the live steps, blocks, tokens computed and preemptions" in text
    assert "Section 7.2" in text


def test_block_sizes_of_the_paper_are_sizes():
    for quantity in block_size.PUBLISHED.values():
        [one] = read_published(PUBLISHED, quantity)
        assert 1 < one.low < one.high
        assert "latency" in one.conditions
