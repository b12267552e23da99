"""`make quick` runs two engines on the guide's prompts and nothing that takes long."""

from __future__ import annotations

from builders.overlaid import overlaid

from kvbench.config import figure_files, paths
from kvbench.config.parameters import run_settings
from kvbench.config.runs import RunName, parity_list, run_list

MODEL = "smollm2-135m"
SLOT_BYTES = 46_080  # of SmolLM2-135M in float32: 2 x 30 layers x 3 heads x 64 x 4 bytes
BLOCK = 32  # vLLM's on a CPU
OUTPUT_TOKENS = 50  # of each of the guide's four prompts


def test_two_engines_serve_the_guide_and_the_gate_once() -> None:
    config = overlaid("quick")
    assert run_list(config) == [RunName(MODEL, engine, "guide") for engine in ("hf-batch", "vllm")]
    assert parity_list(config) == [RunName(MODEL, engine, "parity") for engine in ("hf-batch", "vllm")]
    assert config["repeats"] == config["processes"] == 1


def test_nothing_else_runs_and_pictures_are_made_once() -> None:
    config = overlaid("quick")
    runs = run_list(config)
    assert config["replays"] == config["capacity"] == config["benchmarks"] == {}
    assert not paths.prices_paging(config, runs)
    files = figure_files.run_figures(runs, config["figures"]["formats"])
    assert files
    assert all(path.endswith(".svg") for path in files)


def test_tokens_can_be_compared_and_memory_binds() -> None:
    own = run_settings(overlaid("quick"), MODEL, "vllm", "guide", "base")
    assert own["sampling"]["temperature"] == 0
    blocks = int(own["kv_budget_mib"] * 2**20) // (BLOCK * SLOT_BYTES)
    assert 2 <= blocks < 4 * -(-OUTPUT_TOKENS // BLOCK)
