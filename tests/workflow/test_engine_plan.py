"""What vLLM logs at its start equals the plan: blocks, tokens and concurrency of each kind of KV groups."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from builders.places import IMPORT_PATH

from kvbench.capacity.engine_plan import engine_plan
from kvbench.kv.groups import LayerGroup
from kvbench.model.shape import make_config
from kvbench.model.slots import ITEMSIZE

pytest.importorskip("vllm")
torch = pytest.importorskip("torch")

SIZES = {
    "hidden_size": 128, "intermediate_size": 256, "heads": 4, "kv_heads": 2, "head_dim": 32, "vocab_size": 512,
    "max_position_embeddings": 512,
}  # fmt: skip
LATENT = {
    "hidden_size": 128, "intermediate_size": 256, "heads": 4, "vocab_size": 512, "max_position_embeddings": 512,
    "latent": 512, "rope": 64, "q_lora_rank": 64, "qk_nope_head_dim": 32, "v_head_dim": 32, "moe_intermediate_size": 64,
    "experts": 8, "experts_per_token": 2, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
}  # fmt: skip
SHAPES = {
    "llama": {"model_type": "llama", "layers": 3, **SIZES},
    "gemma-3": {"model_type": "gemma3_text", "layers": 7, "window": 64, **SIZES},
    "gpt-oss": {"model_type": "gpt_oss", "layers": 4, "window": 48, "experts": 4, "experts_per_token": 2, **SIZES},
    "mistral": {"model_type": "mistral", "layers": 2, "window": 64, **SIZES},
    "mla": {"model_type": "deepseek_v3", "layers": 3, **LATENT},
}
GROUPS = {
    "llama": (LayerGroup("full", 3, 128),),
    "gemma-3": (LayerGroup("sliding", 6, 128, 64), LayerGroup("full", 1, 128)),
    "gpt-oss": (LayerGroup("sliding", 2, 128, 48), LayerGroup("full", 2, 128)),
    "mistral": (LayerGroup("sliding", 2, 128, 64),),
    "mla": (LayerGroup("mla", 3, 576),),
}
BUDGET, LONGEST = 3 * 2**20 + 12_345, 200  # bytes, which leave a part of a block; tokens
PROGRAM = """
import json, sys
from builders.engine_settings import engine_settings
from kvbench.engines.vllm.runner import VllmEngine
from kvbench.model.architecture import read_architecture

for case in json.loads(sys.argv[1]):
    groups = read_architecture(case["model_path"], "x").groups
    given = {"random_weights": True, "threads": 1, "groups": groups, **case}
    engine = VllmEngine(engine_settings("vllm", **given))
    try:
        engine.load()
        found = engine.in_force() | {"groups": engine.settings.groups}
        print("logged", json.dumps(found, default=vars), flush=True)
    finally:
        engine.close()
"""
AMX = torch.cpu._is_amx_tile_supported()
# Layers of a page, tokens of a block, most tokens of a step, number type. With AMX, vLLM's MLA takes blocks of 32 and
# no float32. Asynchronous scheduling is only in engines that are a process of their own.
CASES = {
    "llama": (3, 32, 256, "float32"),
    "gemma-3": (1, 32, 64, "float32"),
    "gpt-oss": (2, 32, 40, "float32"),
    "mistral": (2, 32, 50, "float32"),
    "mla": (3, 32, 256, "bfloat16") if AMX else (3, 16, 256, "float32"),
}


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What vLLM has in force after it has loaded each shape, one after the other in one process."""
    given = []
    for name, (_, block_size, step_tokens, dtype) in CASES.items():
        folder = tmp_path_factory.mktemp(name)
        (folder / "config.json").write_text(json.dumps(make_config(SHAPES[name], name)))
        types = {"dtype": dtype, "kv_itemsize": ITEMSIZE[dtype]}
        sizes = {"max_length": LONGEST, "budget_bytes": BUDGET, "block_size": block_size}
        given.append({"model_path": str(folder), **types, **sizes, "options": {"max_num_batched_tokens": step_tokens}})
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(given)],
        env={**os.environ, "PYTHONPATH": IMPORT_PATH},
        capture_output=True,
        text=True,
        timeout=500,
    )
    lines = [line.removeprefix("logged ") for line in done.stdout.splitlines() if line.startswith("logged ")]
    assert len(lines) == len(CASES), done.stderr[-3000:]
    return dict(zip(CASES, map(json.loads, lines), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_vllm_logs_what_is_planned(logged: dict[str, dict], name: str) -> None:
    page_layers, block_size, step_tokens, dtype = CASES[name]
    found = logged[name]
    assert tuple(map(LayerGroup.of, found["groups"])) == GROUPS[name]
    null_block = page_layers * GROUPS[name][0].elements * ITEMSIZE[dtype] * block_size
    plan = engine_plan(
        GROUPS[name],
        ITEMSIZE[dtype],
        BUDGET // null_block * null_block + null_block,
        block_size=block_size,
        max_length=LONGEST,
        max_num_batched_tokens=step_tokens,
        async_scheduling=found["async_scheduling"],
    )
    keys = ("num_gpu_blocks", "kv_cache_size_tokens", "kv_cache_max_concurrency")
    assert tuple(found[key] for key in keys) == (plan.blocks, plan.size_tokens, plan.max_concurrency)
