"""The KV budgets in the GPU overlays bind in a replay; otherwise capacity of paging would have no ratio."""

from __future__ import annotations

import pytest
from builders.overlaid import overlaid

from kvbench.analysis.tables.attribution import BINDING_SHARE
from kvbench.config.parameters import run_settings, workload_settings
from kvbench.config.runs import run_list
from kvbench.replay import Settings, Trace, replay
from kvbench.workload.lengths import draw_lengths
from kvbench.workload.order import representative_first

BLOCK, MAX_RUNNING, MAX_STEP_TOKENS = 16, 1024, 16384  # vLLM's values on an H100
SLOT_BYTES = {"smollm2-135m": 23_040, "llama-2-7b": 524_288, "gpt2": 36_864}  # two bytes per element


@pytest.mark.parametrize(
    ("overlay", "model", "workload"),
    [
        ("gpu", "smollm2-135m", "mixed"),
        ("gpu", "smollm2-135m", "sharegpt"),
        ("gpu-shapes", "llama-2-7b", "alpaca"),
        ("gpu-shapes", "gpt2", "alpaca"),
    ],
)
def test_requests_wait_for_blocks_in_most_steps(overlay: str, model: str, workload: str) -> None:
    config = overlaid(overlay)
    engines = {run.engine for run in run_list(config) if (run.model, run.workload) == (model, workload)}
    assert {"vllm", "vllm-reserved"} <= engines
    own = run_settings(config, model, "vllm", workload, "base")
    made = workload_settings(config, model, workload)
    prompt, output = draw_lengths(made["kind"], made["requests"], made["seed"], workload, own["max_length"])
    order = representative_first(prompt + output)
    blocks = int(own["kv_budget_mib"] * 2**20) // (BLOCK * SLOT_BYTES[model])
    limits = {"max_length": own["max_length"], "max_running": MAX_RUNNING, "max_step_tokens": MAX_STEP_TOKENS}
    pool = Settings("paged", pool_slots=blocks * BLOCK, block_size=BLOCK, **limits)
    found = replay(Trace.of(prompt[order], output[order]), pool, keep_steps=True)
    assert (found.steps["waiting"] > 0).mean() > BINDING_SHARE + 0.05


@pytest.mark.parametrize("overlay", ["gpu-shapes", "two-gpus", "out-of-memory", "paging-price"])
def test_larger_shapes_repeat_nothing_that_the_default_run_has(overlay: str) -> None:
    config = overlaid(overlay)
    assert config["replays"] == config["capacity"] == {}
