"""The architecture of a model folder, read by Transformers and counted without allocating weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.model.record import Architecture
from kvbench.model.token_cache import TAKE, read_token_cache

# Where architectures write their longest sequence; those with ALiBi may write none, and have none.
LONGEST = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")


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
    model = build_on_meta(config, where)
    token = read_token_cache(config, model, where)
    return Architecture(
        layers=token.layers,
        attention_heads=config.num_attention_heads,
        kv_heads=token.kv_heads,
        head_dim=token.head_dim,
        hidden_size=config.hidden_size,
        vocab_size=config.vocab_size,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        max_position_embeddings=_longest(config),
    )


def require_plain_attention(config: Any, where: str) -> None:
    """UserError for what the configuration alone shows: encoders, latent caches, layers that forget tokens."""
    layer_types = set(getattr(config, "layer_types", None) or ["full_attention"])
    slides = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    fields = ("num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size")
    odd = next((field for field in fields if not isinstance(getattr(config, field, None), int)), None)
    if config.is_encoder_decoder or odd or hasattr(config, "kv_lora_rank") or _is_encoder(config):
        raise UserError(f"{where}: not a decoder with plain attention ({config.model_type}); {TAKE}")
    if layer_types != {"full_attention"} or (slides and not getattr(config, "layer_types", None)):
        raise UserError(f"{where}: some layers do not keep every token (sliding or linear attention); take another")


def _is_encoder(config: Any) -> bool:
    """Whether the model attends to later tokens; `is_decoder` says so only where masked tokens can be filled in too."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    return config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", True)


def build_on_meta(config: Any, where: str) -> Any:
    """The model on the meta device, where it takes no memory; UserError for sizes that do not fit each other."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):  # experts' kernels take bfloat16 alone there
            return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, trust_remote_code=False).eval()
    except Exception as error:  # what a model raises for sizes that do not fit is its own affair
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{where}: Transformers cannot build it ({reason}); mend its sizes") from error


def _longest(config: Any) -> int | None:
    """Tokens of the longest sequence that the model is made for; None where its configuration names none."""
    found = (getattr(config, name, None) for name in LONGEST)
    return next((tokens for tokens in found if isinstance(tokens, int) and tokens > 0), None)
