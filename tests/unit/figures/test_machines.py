"""The figure of machines: a marker for each machine at its value, rows that two machines have before others."""

import pandas as pd

from kvbench.figures.machines import COLOURS, MOST_ROWS, NOTHING, draw, machine_look

SPEED, SHARE, RATIO = "output tokens/s", "live share", "a ratio"


def _values(rows):
    names = ["metric", "requests", "run", "machine", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names).assign(model="m", workload="w", least=None, most=None)


TWO = [
    (SPEED, "6", "vllm", "a", 100.0, 90.0, 120.0),
    (SPEED, "6", "vllm", "b", 300.0, None, None),
    (SPEED, "9", "vllm", "b", 500.0, None, None),
    (RATIO, "6", "vllm / hf-batch", "b", 2.0, 1.5, 2.5),
]


def _panels(figure):
    return [axes for part in figure.subfigs for axes in part.axes]


def test_points_stand_at_their_values_with_their_intervals():
    figure = draw(_values(TWO), ["a", "b"], [SPEED, SHARE], RATIO)
    speed, ratio = _panels(figure)
    assert [panel.get_xlabel() for panel in (speed, ratio)] == [SPEED, RATIO]
    points = [container[0] for container in speed.containers]
    assert [list(point.get_xdata()) for point in points] == [[100.0], [300.0]]
    assert [point.get_markerfacecolor() for point in points] == list(COLOURS[:2])
    [whisker] = speed.containers[0][2]
    assert whisker.get_segments()[0][:, 0].tolist() == [90.0, 120.0]


def test_rows_of_one_machine_are_left_out_where_another_is_shared():
    speed, ratio = _panels(draw(_values(TWO), ["a", "b"], [SPEED], RATIO))
    assert [label.get_text() for label in speed.get_yticklabels()] == ["vllm"]
    assert [text.get_text() for text in speed.texts] == ["m, w: 6"]
    assert [label.get_text() for label in ratio.get_yticklabels()] == ["vllm / hf-batch"]


def test_what_is_left_out_is_said():
    rows = [(SPEED, "6", f"run {n}", "a", 1.0 + n, None, None) for n in range(MOST_ROWS + 3)]
    caption = " ".join(draw(_values(rows), ["a", "b"], [SPEED], RATIO).get_supxlabel().split())
    assert "no row is of two machines" in caption
    assert "no row is of b" in caption
    assert "3 further rows" in caption


def test_nothing_to_draw_is_said():
    figure = draw(_values([]), ["a", "b"], [SPEED], RATIO)
    assert [text.get_text() for text in figure.texts] == [NOTHING]


def test_machines_differ_in_colour_or_marker():
    names = [str(n) for n in range(40)]
    assert len({machine_look(name, names) for name in names}) == len(names)
