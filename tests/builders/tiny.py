"""A tiny Llama with random weights, and settings and requests for running engines on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from builders.engine_settings import engine_settings
from builders.requests import requests_of
from kvbench.engines.base import Engine, EngineSettings, Generated
from kvbench.kv.groups import FULL, LayerGroup
from kvbench.measure.orders import slots_of_block
from kvbench.workload.read import Request

LAYERS, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY, MAX_LENGTH, BLOCK = 2, 4, 2, 32, 512, 128, 32
ITEMSIZE = 4
SLOT_BYTES = 2 * LAYERS * KV_HEADS * HEAD_DIM * ITEMSIZE


def make_tiny(folder: Path) -> Path:
    """Write the tiny model's config.json and seeded weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        head_dim=HEAD_DIM,
        hidden_size=HEADS * HEAD_DIM,
        intermediate_size=128,
        vocab_size=VOCABULARY,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]
    return folder


def tiny_settings(model: Path, engine: str, blocks: int) -> EngineSettings:
    """CPU settings for the tiny model with a KV budget of `blocks` blocks."""
    return engine_settings(
        engine,
        model_path=str(model),
        random_weights=engine.startswith("vllm"),  # the model has no tokenizer; dummy weights suffice for KV accounting
        threads=2,
        max_length=MAX_LENGTH,
        budget_bytes=blocks * BLOCK * SLOT_BYTES,
        groups=(LayerGroup(FULL, LAYERS, 2 * KV_HEADS * HEAD_DIM),),
        kv_itemsize=4,
        block_size=slots_of_block(engine, BLOCK, MAX_LENGTH),
    )


def tiny_requests(lengths: list[tuple[int, int]]) -> list[Request]:
    """Return requests from (prompt, output) lengths; token ids depend on the request's index and the position."""
    ids = [[(7 * i + 3 * j) % (VOCABULARY - 10) + 5 for j in range(prompt)] for i, (prompt, _) in enumerate(lengths)]
    return requests_of([(prompt, output) for prompt, (_, output) in zip(ids, lengths, strict=True)])


def generate(engine: Engine, requests: Sequence[Request]) -> Generated:
    """Generate without progress display."""
    return engine.generate(requests, lambda tokens: None, None, lambda part: None)
