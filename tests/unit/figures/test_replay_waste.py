"""The replay-waste figure draws the table and the published values that apply."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.drawn import widths_of
from builders.places import PUBLISHED
from builders.scenarios import ran

from kvbench.analysis.published import Published, read_published
from kvbench.figures import replay_waste
from kvbench.figures.saving import save
from kvbench.replay.table import REGION


@pytest.mark.parametrize("width", [3.5, 7])
def test_the_figure_draws_the_table_and_the_values_that_apply(tmp_path: Path, width: float) -> None:
    _, rows = ran(tmp_path, policies=["reserve-max", "hf-batch", "paged"])
    other = Published(0.5, 0.5, "b", "c", "d", "", {"policy": "oracle"})
    beside = Published(0.25, 0.25, "a", "under c", "printed in s", "", {"policy": "paged"})
    given = {"live_share_of_region": [beside, other], "alone_live_share_of_allocated": []}
    figure = replay_waste.draw(rows, given, {"width_in": width})
    bars, alone = figure.axes
    wanted = 100 * rows[[f"{name}_share_of_region" for name in REGION]].to_numpy()
    assert widths_of(bars) == pytest.approx(wanted.ravel())
    assert widths_of(alone) == pytest.approx(100 * rows["alone_live_share_of_allocated"].dropna().to_numpy())
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in bars.lines] == [(25, 2)]
    assert "25.0" in {text.get_text() for text in bars.texts}
    assert figure.get_size_inches()[0] == width
    save(figure, [tmp_path / "w.png"], 80)


def test_without_published_values_no_mark_and_no_legend_of_one(tmp_path: Path) -> None:
    _, rows = ran(tmp_path)
    read = {column: read_published(PUBLISHED, name) for column, name in replay_waste.PUBLISHED.items()}
    figure = replay_waste.draw(rows, read)
    assert not figure.axes[0].lines
    assert "paper" not in " ".join(text.get_text() for text in figure.legends[0].get_texts())
