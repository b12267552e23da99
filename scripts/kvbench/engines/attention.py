"""Can the attention kernels that options ask for run here? Asked before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping

from kvbench.errors import UserError

ALWAYS = ("sdpa", "eager")  # of torch itself


def require_attention(wishes: Mapping[str, str]) -> None:
    """UserError for the first engine whose `attn_implementation` Transformers cannot use: unknown, or not installed.

    Args:
        wishes: engine to what its options in config.yaml ask for.
    """
    for engine, wish in wishes.items():
        if wish not in ALWAYS and (reason := _problem(wish)):
            mend = "install what it needs, or take sdpa or eager"
            raise UserError(f"config.yaml: engines.{engine}.attn_implementation: {wish}: {reason}; {mend}")


def _problem(wish: str) -> str | None:
    """Why a model cannot have this attention, in Transformers' words; None where a small one can."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    small = LlamaConfig(num_hidden_layers=1, hidden_size=64, num_attention_heads=1, intermediate_size=64, vocab_size=64)
    try:
        with torch.device("meta"):
            AutoModelForCausalLM.from_config(small, attn_implementation=wish, dtype=torch.bfloat16)
    except (ImportError, ValueError) as error:
        return str(error).splitlines()[0].rstrip(".")
    return None
