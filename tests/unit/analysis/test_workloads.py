"""The workload-lengths table against counts made by hand."""

import pytest
from builders.workloads import write_workloads

from kvbench.analysis.tables.workloads import table
from kvbench.errors import UserError


@pytest.fixture
def paths(tmp_path):
    return write_workloads(tmp_path / "model")


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
