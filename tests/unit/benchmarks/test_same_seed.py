"""The comparison of two calls with one seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from builders.runs import write_run
from builders.simulated_requests import make_requests
from builders.workloads import workload

from kvbench.files import write_parquet

RUN = "results/runs/smollm2-135m/vllm/mixed/base"


def finished(folder: Path, prompt: int = 3, **given: object) -> Path:
    write_run(folder / "results/runs", "vllm", repeats=2, **given)
    write_parquet(folder / "results/workloads/smollm2-135m/mixed.parquet", workload([prompt], [5]))
    return folder


@pytest.mark.parametrize(
    ("other", "different"),
    [
        ({}, []),
        ({"seed": 1, "slower": 2.0}, []),  # other times
        ({"flips": {(make_requests(16)[3].id, 2): 7}}, [f"{RUN}/requests.parquet"]),
        ({"slots": 256}, [f"{RUN}/{name}" for name in ("kv.parquet", "run.json")]),
        ({"prompt": 4}, ["results/workloads/smollm2-135m/mixed.parquet"]),
    ],
)
def test_what_follows_from_the_seed_is_compared(
    program: Callable[[str], ModuleType], tmp_path: Path, other: dict, different: list[str]
) -> None:
    folders = finished(tmp_path / "a"), finished(tmp_path / "b", **other)
    assert program("same_seed").compare(*folders) == (4, different)


def test_a_file_that_only_one_call_has_is_a_difference(program: Callable[[str], ModuleType], tmp_path: Path) -> None:
    folders = finished(tmp_path / "a"), finished(tmp_path / "b")
    (folders[1] / RUN / "kv.parquet").unlink()
    assert program("same_seed").compare(*folders) == (4, [f"{RUN}/kv.parquet"])
