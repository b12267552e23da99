"""What the report shows of a run beside vLLM's own server."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from builders.report_inputs import PEER

from kvbench.benchmarks.table import table
from kvbench.report.tables.verdicts import benchmarks_view, serving_benchmarks_view

SIDES = {"ours": "vllm", "other": "vllm bench serve", "measure": "tpot", "requests": 60, "hook_share_of_step": 0.004}
TIMES = {"ours_median_s": 0.0432, "ours_p90_s": 0.05, "other_median_s": 0.044, "other_p90_s": 0.06}
SERVED = {"kind": "peer-serve", "requests_per_s": 2, "passes": 3, "comparisons": [SIDES | TIMES | {"ratio": 0.98}]}


@pytest.fixture
def both(tmp_path: Path) -> pd.DataFrame:
    """The table of a benchmark of speed and one of latencies, as it is read back."""
    named = {"a": PEER, "b": SERVED}
    for name, record in named.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    own = {name: {"model": "m", "workload": "chat"} for name in named}
    table(own, [tmp_path / f"{name}.json" for name in named]).to_csv(tmp_path / "benchmarks.csv")
    return pd.read_csv(tmp_path / "benchmarks.csv")


def test_each_view_has_its_own_kind(both: pd.DataFrame) -> None:
    assert benchmarks_view(both)["beside"].tolist() == ["vllm bench"]
    assert serving_benchmarks_view(both)["beside"].tolist() == ["vllm bench serve"]
    assert serving_benchmarks_view(both.iloc[:1]).empty
    assert benchmarks_view(both.iloc[1:]).empty


def test_latencies_are_in_milliseconds_and_a_missing_percentile_is_a_dash(both: pd.DataFrame) -> None:
    [row] = serving_benchmarks_view(both).to_dict("records")
    assert row["ours (ms): median / p90 / p99"] == "43.2 / 50 / –"
    assert row["beside (ms): median / p90 / p99"] == "44 / 60 / –"
    assert row["latency"] == "per output token after it"
    assert row["ratio, median over passes"] == "0.980"
    assert row["time inside the hooks (% of a step)"] == "0.400"
