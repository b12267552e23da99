"""The table and the figure of workload lengths against counts by hand."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from builders.workloads import workload

from kvbench.analysis.tables.workloads import table
from kvbench.errors import UserError
from kvbench.figures import workload_lengths
from kvbench.figures.data import lengths
from kvbench.files import write_parquet
from kvbench.workload.read import content_digest, read_workload


@pytest.fixture
def paths(tmp_path):
    """Outputs fall where prompts rise, so that sums are not sums of percentiles."""
    found = []
    for name, prompts, outputs in (("a", [1, 2, 40], [30, 20, 10]), ("b", [5], [7])):
        path = tmp_path / "model" / f"{name}.parquet"
        write_parquet(path, workload(prompts, outputs))
        found.append(path)
    return found


def test_three_rows_a_workload(paths):
    found = table(paths)
    assert list(found["workload"]) == ["a"] * 3 + ["b"] * 3
    assert set(found["model"]) == {"model"}
    assert list(found["quantity"]) == ["prompt", "output", "total"] * 2
    rows = found[found["workload"] == "a"].set_index("quantity")
    assert list(rows["n"]) == [3, 3, 3]
    assert rows.loc["prompt", "mean_tokens"] == pytest.approx(43 / 3)
    assert list(rows["p50_tokens"]) == [2, 20, 31]
    assert list(rows["p100_tokens"]) == [40, 30, 50]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.parquet: no such file"):
        table([tmp_path / "gone.parquet"])


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


def test_the_digest_is_of_what_engines_are_given_and_not_of_the_file(tmp_path):
    def digest(compression="snappy", ids=("a", "b"), prompts=((1, 2), (3,)), outputs=(4, 5)):
        path = tmp_path / "w.parquet"
        pq.write_table(workload(prompts, outputs, ids=ids), path, compression=compression)
        return content_digest(read_workload(path))

    assert digest() == digest("zstd") == digest(ids=("c", "d"))
    others = [digest(prompts=((1,), (2, 3))), digest(prompts=((2, 1), (3,))), digest(outputs=(5, 4)), digest()]
    others.append(digest(prompts=((3,), (1, 2)), outputs=(5, 4)))
    assert len(set(others)) == 5
