"""The batched-requests figure draws the table and the published values that apply."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.drawn import widths_of
from builders.places import PUBLISHED
from builders.scenarios import ran

from kvbench.analysis.published import Published, read_published
from kvbench.figures import batched_requests
from kvbench.figures.saving import save


@pytest.mark.parametrize("width", [3.5, 7])
def test_the_figure_draws_the_table_and_the_values_that_apply(tmp_path: Path, width: float) -> None:
    _, rows = ran(tmp_path, policies=["reserve-max", "hf-batch", "paged"])
    other = Published(0.5, 0.5, "b", "c", "d", "", {"policy": "oracle"})
    beside = Published(9.25, 9.25, "a", "under c", "printed in s", "", {"policy": "paged"})
    figure = batched_requests.draw(rows, [beside, other], {"width_in": width})
    assert widths_of(figure.axes[0]) == [*rows["running_mean_requests"], 9.25]
    assert "printed in s (under c)" in figure._supxlabel.get_text().replace("\n", " ")
    save(figure, [tmp_path / "b.png"], 80)


def test_without_published_values_there_is_no_legend(tmp_path: Path) -> None:
    _, rows = ran(tmp_path)
    assert not batched_requests.draw(rows, read_published(PUBLISHED, "batched_requests")).legends
