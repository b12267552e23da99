"""The architecture of a model folder, read by Transformers and counted without allocating weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.model.record import Architecture
from kvbench.model.token_cache import TAKE, read_token_cache

# Keys for the longest sequence in different architectures; those with ALiBi may have none, and no limit.
LONGEST = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
# Keys for how many experts a layer has that tokens are routed to, and for how many of them a token goes to.
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
EXPERTS_OF_A_TOKEN = ("num_experts_per_tok", "top_k_experts", "moe_top_k", "moe_k")


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
        active_parameters=active_parameters(config, model),
    )


def active_parameters(config: Any, model: Any) -> int | None:
    """Parameters that one token is computed with: all, or of the experts that it may be routed to those that it goes
    to. None if the configuration does not say how many these are.
    """
    total = sum(parameter.numel() for parameter in model.parameters())
    routed = sum(parameter.numel() for name, parameter in model.named_parameters() if ".experts." in name)
    if not routed:
        return total
    experts, chosen = _number(config, EXPERTS), _number(config, EXPERTS_OF_A_TOKEN)
    return total - routed + routed * chosen // experts if experts and chosen else None


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
    return _number(config, LONGEST)


def _number(config: Any, names: Sequence[str]) -> int | None:
    """The first of these keys that has a positive number."""
    found = (getattr(config, name, None) for name in names)
    return next((number for number in found if isinstance(number, int) and number > 0), None)
