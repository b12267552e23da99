"""The table of workload lengths against counts by hand."""

import pytest
from builders.workloads import workload

from kvbench.analysis.tables.workloads import table
from kvbench.errors import UserError
from kvbench.files import write_parquet


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
