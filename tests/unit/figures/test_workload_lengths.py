"""The workload-lengths figure draws every request."""

import numpy as np
import pytest
from builders.workloads import write_workloads

from kvbench.figures import workload_lengths
from kvbench.figures.data.rows import lengths


@pytest.fixture
def paths(tmp_path):
    return write_workloads(tmp_path / "model")


def test_the_figure_draws_every_request(paths):
    left, right = workload_lengths.draw(lengths(paths[0])).axes
    steps = {line.get_label().split(":")[0]: line for line in left.lines if ":" in line.get_label()}
    assert list(steps) == ["prompt", "output", "prompt + output"]
    values = steps["prompt + output"].get_xdata()
    assert sorted(set(values[np.isfinite(values)])) == [22, 31, 50]
    assert steps["output"].get_label() == "output: mean 20, median 20"
    assert right.lines[0].get_xydata().tolist() == [[1, 30], [2, 20], [40, 10]]
    assert left.get_title(loc="left") == "3 requests"


def test_a_workload_of_one_length_is_drawn(paths):
    figure = workload_lengths.draw(lengths(paths[1]), {"width_in": 3.5})
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert low < 5 < high
        assert high > low
