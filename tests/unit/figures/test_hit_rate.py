"""The hit-rate figure draws a line for each block size, an infinite pool dashed, and the replay of the pool."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.pipeline import texts
from builders.scenarios import of_ids, replayed, write_replays

from kvbench.figures import hit_rate
from kvbench.figures.saving import save
from kvbench.replay.hit_rate_table import hit_rates
from kvbench.replay.requests import trace_of
from kvbench.replay.table import rows_of


@pytest.fixture
def tables(tmp_path: Path):
    """(Rows of hit_rates.csv, rows of replays.csv) of prompts of which some begin alike."""
    prompts = [[*range(8 * (n % 3)), *range(100 * n + 50, 100 * n + 59)] for n in range(12)]
    own = of_ids(tmp_path, prompts, pool_slots=80, max_length=40, hit_rate={"block_sizes": [2, 8]}, max_running=3)
    trace = trace_of(own, 0, "replays.x")
    return hit_rates("x", own, trace), rows_of(write_replays(tmp_path, replayed(own, trace)), "x")


@pytest.mark.parametrize("width", [3.5, 7])
def test_lines_are_the_table_and_the_star_is_the_replay(tmp_path: Path, tables, width: float) -> None:
    found, rows = tables
    figure = hit_rate.draw(found, rows, {"width_in": width})
    small, bound, large, other, star = figure.axes[0].lines
    for size, line, dashed in ((2, small, bound), (8, large, other)):
        own = found[found["block_size"] == size]
        np.testing.assert_allclose(line.get_xdata(), own["pool_tokens"].dropna().astype(float))
        np.testing.assert_allclose(line.get_ydata(), 100 * own["hit_share"][:-1])
        assert set(dashed.get_ydata()) == {100 * own["hit_share"].iloc[-1]}
        assert dashed.get_linestyle() == "--"
        assert f"blocks of {size} (infinite pool: {100 * own['hit_share'].iloc[-1]:.1f}%)" in texts(figure)
    hits = rows["prefix_hit_tokens"].iloc[0]
    assert (star.get_xdata(), star.get_ydata()) == ([80], [100 * hits / found["prompt_tokens"].iloc[0]])
    assert "replay, up to 3 at once, blocks of 4" in texts(figure)
    assert figure.axes[0].get_xscale() == "log"
    assert "hold twice" not in texts(figure)
    save(figure, [tmp_path / "a.png"], 60)


def test_blocks_are_counted_above(tables) -> None:
    figure = hit_rate.draw(*tables)
    [above] = figure.axes[0].child_axes
    assert above.get_xlabel() == "Pool (blocks of 2 tokens)"
    figure.draw_without_rendering()
    np.testing.assert_allclose(above.get_xlim(), np.array(figure.axes[0].get_xlim()) / 2)


def test_blocks_that_vllm_would_hold_twice_are_told(tables) -> None:
    found, rows = tables
    figure = hit_rate.draw(found.assign(repeated_blocks=np.where(found["block_size"] == 8, 1234, 0)), rows)
    said = figure._supxlabel.get_text().replace("\n", " ")
    assert said.startswith("n = 12 requests of ids.jsonl, one at a time; generated tokens take up room")
    assert said.endswith("In blocks of 8, 1,234 full ones are computed again, which vLLM would hold twice.")


def test_without_a_replay_there_is_no_star(tables) -> None:
    found, rows = tables
    assert len(hit_rate.draw(found, rows[:0]).axes[0].lines) == 4
    assert len(hit_rate.draw(found, rows.assign(prefix_hit_tokens=None)).axes[0].lines) == 4


def test_without_a_pool_it_says_so(tables) -> None:
    found, rows = tables
    assert hit_rate.NOTHING in texts(hit_rate.draw(found[found["pool_tokens"].isna()], rows))
    assert hit_rate.NOTHING in texts(hit_rate.draw(found[:0], rows))
