"""The benchmarks of kvbench, as their rule starts them, on the tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.open_loop import write_open_loop
from builders.orders import order_settings
from builders.tiny import BLOCK, MAX_LENGTH

from kvbench.benchmarks.programs import run_benchmark
from kvbench.benchmarks.table import table

LENGTHS = [(5 + i, 8 + i) for i in range(6)]
PASSES = 6


@pytest.mark.parametrize(
    ("kind", "controls"), [("recording", []), ("peer-vllm", ["unrecorded", "statistics", "again"])]
)
def test_all_sides_serve_the_requests_of_the_run(kind: str, controls: list[str], tmp_path: Path, tiny: Path) -> None:
    files = write_open_loop(tmp_path, tiny, LENGTHS)
    inputs = {name: str(files[name]) for name in ("environment", "model", "workload")}
    run = order_settings(max_length=MAX_LENGTH, block_size=BLOCK, kv_budget_mib=1)
    own = {"kind": kind, "model": "tiny", "workload": "mixed", "passes": PASSES, "batch": 3, "controls": controls}
    run_benchmark(own | {"run": run}, inputs, tmp_path / "b.json")
    rows = table({"b": own}, [tmp_path / "b.json"]).to_dict("records")
    assert len(rows) == 1 + len(controls)
    for row in rows:
        assert row["ours_output_tokens"] == row["other_output_tokens"] == sum(output for _, output in LENGTHS)
        assert (row["passes"], row["device"]) == (PASSES, "cpu")
        assert 0 < row["ratio_ci95_low"] <= row["ratio"] <= row["ratio_ci95_high"]
