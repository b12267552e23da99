"""Tiny models of each kind of KV cache, and requests that run past their windows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from builders.engine_settings import engine_settings
from builders.requests import requests_of
from kvbench.engines.base import EngineSettings
from kvbench.kv.groups import token_elements
from kvbench.measure.orders import slots_of_block
from kvbench.model.architecture import read_architecture
from kvbench.model.shape import make_config
from kvbench.workload.read import Request

WINDOW, MAX_LENGTH, STEP_TOKENS = 24, 160, 64
PLAIN = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 32,
    "vocab_size": 512,
    "max_position_embeddings": 256,
}
LATENT = {
    "layers": 3,
    "hidden_size": 128,
    "intermediate_size": 256,
    "heads": 4,
    "kv_heads": 4,
    "vocab_size": 512,
    "kv_lora_rank": 512,
    "q_lora_rank": 64,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 32,
    "v_head_dim": 32,
    "max_position_embeddings": 256,
    "moe_intermediate_size": 64,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "n_shared_experts": 1,
}
SHAPES = {
    "gemma3": {"model_type": "gemma3_text", "layers": 6, "sliding_window": WINDOW, **PLAIN},
    # Three layers in tables of two: one table leaves half of each page unused.
    "gemma3-padded": {
        "model_type": "gemma3_text",
        "layers": 5,
        "sliding_window": WINDOW,
        **PLAIN,
        "layer_types": [*["sliding_attention"] * 3, *["full_attention"] * 2],
    },
    "gpt-oss": {
        "model_type": "gpt_oss",
        "layers": 4,
        "sliding_window": WINDOW,
        **PLAIN,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
    },
    "mistral": {"model_type": "mistral", "layers": 2, "sliding_window": WINDOW, **PLAIN},
    "one-kv-head": {"model_type": "llama", "layers": 2, **PLAIN, "kv_heads": 1},
    "deepseek-v2": {"model_type": "deepseek_v2", **LATENT, "first_k_dense_replace": 3},
    "deepseek-v3": {"model_type": "deepseek_v3", **LATENT, "first_k_dense_replace": 1},
}
# What tests serve with vLLM, as model@engine.
SERVED = (*(f"{name}@vllm" for name in SHAPES), "gemma3@vllm-contiguous", "gemma3@vllm-reserved")
EQUAL_TEXT = ("gemma3", "gpt-oss", "mistral")  # these get weights of their own, so that engines' tokens can be compared


def write_models(folder: Path) -> dict[str, Path]:
    """Write each shape's config.json, and weights for those of EQUAL_TEXT; their folders by name."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    found = {}
    for name, shape in SHAPES.items():
        found[name] = folder / name
        found[name].mkdir()
        (found[name] / "config.json").write_text(json.dumps(make_config(shape, name)))
        if name in EQUAL_TEXT:
            torch.manual_seed(0)
            config = AutoConfig.from_pretrained(found[name])
            AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(found[name])
    return found


def settings_of(name: str, folder: Path, engine: str, requests_held: float = 2.5) -> EngineSettings:
    """CPU settings whose budget holds so many requests of the maximum length."""
    groups = read_architecture(folder, name).groups
    latent = name.startswith("deepseek")
    # Prompts in several steps, so that a window moves while a prompt is computed; vLLM's MLA on a CPU has none.
    steps = {"max_num_batched_tokens": STEP_TOKENS} if engine.startswith("vllm") and not latent else {}
    return engine_settings(
        engine,
        model_path=str(folder),
        random_weights=name not in EQUAL_TEXT,
        max_length=MAX_LENGTH,
        budget_bytes=int(requests_held * MAX_LENGTH * token_elements(groups) * 4),
        groups=groups,
        kv_itemsize=4,
        block_size=slots_of_block(engine, 16 if latent else 32, MAX_LENGTH),
        options=steps,
    )


def requests_past_the_window(count: int = 16) -> Sequence[Request]:
    """Requests of 5 to 110 prompt tokens and 20 to 49 output tokens, each of which passes the window."""
    lengths = [(5 + (37 * i) % 106, 20 + (29 * i) % 30) for i in range(count)]
    ids = [[(7 * i + 3 * j) % 500 + 5 for j in range(prompt)] for i, (prompt, _) in enumerate(lengths)]
    return requests_of([(prompt, output) for prompt, (_, output) in zip(ids, lengths, strict=True)])
