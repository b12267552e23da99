"""The figure of the cache by context length draws each group, the sum and the sum of full layers."""

import pytest
from builders.pipeline import run_plot, texts
from builders.places import PUBLISHED, SHAPES
from builders.plans import KNOWN

from kvbench.analysis.published import read_published
from kvbench.capacity.by_context import QUANTITY, read_by_context, table
from kvbench.figures import kv_by_context
from kvbench.files import write_csv

OWN = read_by_context(SHAPES, KNOWN)
TABLE = table(KNOWN, OWN, read_published(PUBLISHED, QUANTITY))


@pytest.mark.parametrize("width_in", [7.0, 3.5])
def test_a_panel_for_each_model_and_a_line_for_each_group(tmp_path, width_in):
    path = tmp_path / "kv_by_context.csv"
    write_csv(path, TABLE)
    figure = run_plot("kv_by_context", {"table": str(path), "shapes": str(SHAPES)}, {}, width_in)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == [KNOWN[name].label for name in OWN.models]
    for axes, name in zip(panels, OWN.models, strict=True):
        rows = TABLE[TABLE["shape"] == name]
        drawn = {tuple(line.get_ydata()) for line in axes.lines}
        whole = {tuple(rows[rows["group"] == 1][column]) for column in ("as_full_bytes", "request_bytes")}
        groups = {tuple(own["group_bytes"]) for _, own in rows.groupby("group")}
        assert drawn == whole | groups
        assert axes.get_xscale() == axes.get_yscale() == "log"
    assert panels[0].get_ylim() == panels[-1].get_ylim()
    found = texts(figure)
    assert "25% wasted as full\nat 8K; RFC: 25%" in found
    assert "56.25% wasted as full\nat 128K; RFC: 56.25%" in found
    assert "83.22% wasted as full\nat 128K" in found


def test_panels_without_a_model_are_empty_and_without_any_there_are_words():
    figure = kv_by_context.draw(TABLE, OWN.models[:5])
    assert sum(axes.get_visible() for axes in figure.axes) == 5
    assert "has a row in kv_by_context.csv" in texts(kv_by_context.draw(TABLE.iloc[:0], OWN.models))
