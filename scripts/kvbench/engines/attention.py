"""Check, before anything is measured, that the requested attention implementations can run here."""

from __future__ import annotations

from collections.abc import Mapping

from kvbench.errors import UserError

ALWAYS = ("sdpa", "eager")  # built into torch


def require_attention(wishes: Mapping[str, str]) -> None:
    """UserError for the first engine whose `attn_implementation` Transformers cannot use: unknown, or not installed.

    Args:
        wishes: engine to the `attn_implementation` of its options in config.yaml.
    """
    for engine, wish in wishes.items():
        if wish not in ALWAYS and (reason := _problem(wish)):
            remedy = "install what it needs, or use sdpa or eager"
            raise UserError(f"config.yaml: engines.{engine}.attn_implementation: {wish}: {reason}; {remedy}")


def _problem(wish: str) -> str | None:
    """Why Transformers cannot build a model with this attention, in its own words; None if it can."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    small = LlamaConfig(num_hidden_layers=1, hidden_size=64, num_attention_heads=1, intermediate_size=64, vocab_size=64)
    try:
        with torch.device("meta"):
            options = {"attn_implementation": wish, "dtype": torch.bfloat16, "trust_remote_code": False}
            AutoModelForCausalLM.from_config(small, **options)
    except (ImportError, ValueError) as error:
        return str(error).splitlines()[0].rstrip(".")
    return None
