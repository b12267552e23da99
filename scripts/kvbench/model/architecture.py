"""The architecture of a model folder, read by Transformers and counted without allocating weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.model.record import Architecture
from kvbench.model.token_cache import TAKE, read_token_cache

# Keys for the longest sequence in different architectures; those with ALiBi may have none, and no limit.
LONGEST = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")


def read_architecture(folder: Path, where: str) -> Architecture:
    """The sizes of the model in `folder`, from its config.json alone.

    Raises:
        UserError: Transformers does not know the model, or some of its layers cache something else than K and V, or a
            latent vector, of each token in their window.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # each class of configuration raises its own errors for fields that do not fit
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{where}: Transformers cannot read its config.json ({reason}); use another model") from error
    require_decoder(config, where)
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
        groups=token.groups,
    )


def require_decoder(config: Any, where: str) -> None:
    """UserError for models that the configuration alone rules out: encoders, and attention in chunks."""
    fields = ("num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size")
    odd = next((field for field in fields if not isinstance(getattr(config, field, None), int)), None)
    if config.is_encoder_decoder or odd or _is_encoder(config):
        raise UserError(f"{where}: {config.model_type} is not a decoder; {TAKE}")
    if "chunked_attention" in (getattr(config, "layer_types", None) or ()):
        raise UserError(f"{where}: {config.model_type} has layers with attention in chunks; {TAKE}")


def _is_encoder(config: Any) -> bool:
    """Whether the model attends to later tokens; only models that also fill in masked tokens set `is_decoder`."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    return config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", True)


def build_on_meta(config: Any, where: str) -> Any:
    """The model on the meta device, where it takes no memory; UserError for sizes that do not fit each other."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):  # kernels of mixture-of-experts models accept only bfloat16 there
            return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, trust_remote_code=False).eval()
    except Exception as error:  # each model raises its own errors for sizes that do not fit
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{where}: Transformers cannot build this model ({reason}); correct its sizes") from error


def _longest(config: Any) -> int | None:
    """Tokens of the longest sequence that the model is made for; None if its configuration names none."""
    found = (getattr(config, name, None) for name in LONGEST)
    return next((tokens for tokens in found if isinstance(tokens, int) and tokens > 0), None)
