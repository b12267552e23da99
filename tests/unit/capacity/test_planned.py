"""planned.csv: what vLLM was planned to make of its budget beside what it logged, and where they differ why."""

import copy
from pathlib import Path

import pytest

from kvbench.analysis.results import Run
from kvbench.capacity.planned import COLUMNS, table

# Gemma-3-like: six tables of sliding layers and one of a full layer. These are what vLLM 0.32 logs on a CPU.
RECORD = {
    "model": "m",
    "engine": "vllm",
    "workload": "w",
    "point": "base",
    "dtype": "float32",
    "kv_dtype": "auto",
    "groups": [
        {"kind": "sliding", "layers": 6, "elements": 128, "window": 64},
        {"kind": "full", "layers": 1, "elements": 128, "window": None},
    ],
    "capacity": {"budget_bytes": 3 * 2**20 + 12_345},
    "settings": {
        "in_force": {
            "block_size": 32,
            "max_model_len": 200,
            "max_num_batched_tokens": 64,
            "async_scheduling": False,
            "num_gpu_blocks": 193,
            "kv_cache_size_tokens": 1043,
            "kv_cache_max_concurrency": 193 / 37,
            "options": {},
        }
    },
}


def run_of(**changed) -> Run:
    record = copy.deepcopy(RECORD)
    record["settings"]["in_force"] |= changed.pop("in_force", {})
    return Run(Path("x"), record | changed)


def row_of(**changed):
    return table([run_of(**changed)]).iloc[0]


def test_the_plan_stands_beside_what_was_logged():
    found = row_of()
    assert tuple(found.index) == COLUMNS
    assert (found.blocks_planned, found.kv_tokens_planned) == (3 * 64 + 1, int(200 * 193 / 37))
    assert found.max_concurrency_planned == 193 / (6 * (4 + 1) + 7)
    assert found.equal
    assert found.reason is None
    assert (found.groups, found.left_bytes) == ("6 sliding 64 + 1 full", 12_345)


@pytest.mark.parametrize(
    "wrong", [{"num_gpu_blocks": 192}, {"kv_cache_size_tokens": 1044}, {"kv_cache_max_concurrency": 5.2}]
)
def test_a_difference_is_told(wrong):
    found = row_of(in_force=wrong)
    assert not found.equal
    assert found.reason == "none known: a defect of the plan"
    asked = row_of(in_force={**wrong, "options": {"num_gpu_blocks_override": 192}})
    assert asked.reason == "options num_gpu_blocks_override"


def test_elements_of_another_type_make_other_blocks():
    assert row_of(kv_dtype="fp8").blocks_planned == RECORD["capacity"]["budget_bytes"] // (32 * 128) + 1


def test_runs_that_do_not_say_what_vllm_logged_are_left_out():
    old = run_of(in_force={"kv_cache_size_tokens": None})
    assert list(table([old, run_of(engine="hf-batch")]).columns) == list(COLUMNS)
    assert len(table([old, run_of(engine="hf-batch"), run_of(engine="vllm-reserved")])) == 1
