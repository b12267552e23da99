"""The architecture of a model folder, read by Transformers and counted without allocating weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.model.record import Architecture


def read_architecture(folder: Path, where: str) -> Architecture:
    """The sizes of the model in `folder`, from its config.json alone.

    Raises:
        UserError: Transformers does not know it, or its layers do not all keep K and V of every token, so that
            slots of one size do not describe its cache.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{where}: Transformers cannot read its config.json ({reason}); take another model") from error
    require_plain_attention(config, where)
    heads = config.num_attention_heads
    return Architecture(
        layers=config.num_hidden_layers,
        attention_heads=heads,
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,
        hidden_size=config.hidden_size,
        vocab_size=config.vocab_size,
        parameters=count_parameters(config, where),
        max_position_embeddings=config.max_position_embeddings,
    )


def require_plain_attention(config: Any, where: str) -> None:
    """UserError unless every layer is full attention with K and V of one size for every token."""
    layer_types = set(getattr(config, "layer_types", None) or ["full_attention"])
    slides = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    fields = ("num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size", "max_position_embeddings")
    odd = next((field for field in fields if not isinstance(getattr(config, field, None), int)), None)
    if config.is_encoder_decoder or not getattr(config, "is_decoder", True) or odd or hasattr(config, "kv_lora_rank"):
        raise UserError(f"{where}: not a decoder with plain attention; take one such as llama, gpt2, opt or qwen2")
    if layer_types != {"full_attention"} or (slides and not getattr(config, "layer_types", None)):
        raise UserError(f"{where}: some layers do not keep every token (sliding or linear attention); take another")


def count_parameters(config: Any, where: str) -> int:
    """Parameters of the model, tied ones once; built on the meta device, so that it takes no memory."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:  # what a model raises for sizes that do not fit is its own affair
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{where}: Transformers cannot build it ({reason}); mend its sizes") from error
    return sum(parameter.numel() for parameter in model.parameters())
