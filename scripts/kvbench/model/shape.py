"""Source `shape`: an architecture without weights, from Transformers' own field names or friendly ones."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from kvbench.errors import UserError

# Friendly name to the architecture's own; None if the architecture does not support it.
LLAMA = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "vocab_size": "vocab_size",
    "max_position_embeddings": "max_position_embeddings",
}
OPT = {**LLAMA, "kv_heads": None, "head_dim": None, "intermediate_size": "ffn_dim"}
GPT2 = {
    **OPT,
    "layers": "n_layer",
    "heads": "n_head",
    "hidden_size": "n_embd",
    "intermediate_size": "n_inner",
    "max_position_embeddings": "n_positions",
}
WINDOW = {**LLAMA, "window": "sliding_window"}
EXPERTS = {"experts": "num_local_experts", "experts_per_token": "num_experts_per_tok"}
MLA = {
    **LLAMA,
    "head_dim": None,
    "latent": "kv_lora_rank",
    "rope": "qk_rope_head_dim",
    **EXPERTS,
    "experts": "n_routed_experts",
}
FRIENDLY = {
    "gpt2": GPT2,
    "opt": OPT,
    **dict.fromkeys(("mistral", "ministral", "gemma2", "gemma3_text"), WINDOW),
    "gpt_oss": WINDOW | EXPERTS,
    **dict.fromkeys(("deepseek_v2", "deepseek_v3"), MLA),
}
HEAD_OF_MLA = "set qk_nope_head_dim, rope and v_head_dim instead"
COUNTED = {name for names in (LLAMA, *FRIENDLY.values()) for name in names}  # sizes: whole numbers of 1 or more


def own_fields(shape: Mapping[str, Any], known: Collection[str], where: str) -> dict[str, Any]:
    """The fields of the architecture's own configuration that `shape` asks for.

    Args:
        shape: `model_type`, and fields by their own or their friendly names.
        known: the fields that the architecture's configuration has.

    Raises:
        UserError: an unknown field, one given twice, a size that is not a positive whole number, sizes that do not fit.
    """
    names = FRIENDLY.get(shape["model_type"], LLAMA)
    fields: dict[str, Any] = {}
    for key, value in shape.items():
        if key == "model_type":
            continue
        field = names.get(key, key)
        if key in COUNTED and (type(value) is not int or value < 1):
            raise UserError(f"{where}.{key}: {value!r} is not a valid size; write a whole number of 1 or more")
        if field is None and names is MLA:
            raise UserError(f"{where}.{key}: {shape['model_type']} has no such size; {HEAD_OF_MLA}")
        if field is None:
            _require_plain_attention(key, value, shape, names, where)
        elif field not in known:
            raise UserError(f"{where}.{key}: unknown key for {shape['model_type']}; {_hint(key, names, known)}")
        elif field in fields:
            raise UserError(f"{where}.{key}: {field} is given twice; keep one")
        else:
            fields[field] = value
    _require_divisible(fields, names, where)
    if names is MLA:
        _complete_latent(fields, where)
    if shape["model_type"] == "opt":
        fields.setdefault("word_embed_proj_dim", fields.get("hidden_size", 768))
    return fields


def _complete_latent(fields: dict[str, Any], where: str) -> None:
    """With MLA every head has keys and values of its own, made from the latent vector: as many KV heads as heads."""
    heads = fields.get("num_attention_heads")
    if heads and fields.setdefault("num_key_value_heads", heads) != heads:
        raise UserError(
            f"{where}.kv_heads: {fields['num_key_value_heads']} is not the number of heads ({heads}), as it is with a "
            "latent vector; leave it out"
        )


def _require_plain_attention(
    key: str, value: int, shape: Mapping[str, Any], names: Mapping[str, str | None], where: str
) -> None:
    """kv_heads and head_dim follow from heads and hidden_size in this architecture: accept them only if they agree."""
    heads = shape.get("heads", shape.get(str(names["heads"])))
    hidden = shape.get("hidden_size", shape.get(str(names["hidden_size"])))
    implied = heads if key == "kv_heads" else hidden // heads if hidden and heads else None
    if value != implied:
        raise UserError(
            f"{where}.{key}: {shape['model_type']} does not support this key; leave it out or use model_type llama"
        )


def _require_divisible(fields: Mapping[str, Any], names: Mapping[str, str | None], where: str) -> None:
    heads, hidden = fields.get(str(names["heads"])), fields.get(str(names["hidden_size"]))
    kv_heads = fields.get(str(names["kv_heads"]))
    if heads and hidden and hidden % heads and not fields.get(str(names["head_dim"])):
        raise UserError(f"{where}.heads: hidden_size {hidden} is not divisible by {heads} heads; change one of them")
    if heads and kv_heads and heads % kv_heads:
        raise UserError(f"{where}.kv_heads: {heads} heads are not divisible by {kv_heads} KV heads; change one of them")


def _hint(key: str, names: Mapping[str, str | None], known: Collection[str]) -> str:
    choices = [*(name for name, field in names.items() if field), *known]
    near = difflib.get_close_matches(key, choices, n=1)
    return f"did you mean {near[0]}?" if near else f"use {', '.join(LLAMA)} or a field of its Transformers config"


def make_config(shape: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The content of config.json for a shape, architecture class included, so that every engine can build it."""
    from transformers import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    model_type = shape.get("model_type")
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING:
        raise UserError(
            f"{where}.model_type: {model_type!r} is unknown; use llama, gpt2, opt or another of Transformers'"
        )
    if model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UserError(f"{where}.model_type: {model_type} is not a text-generation model; use llama, gpt2 or opt")
    defaults = CONFIG_MAPPING[model_type]()
    known = defaults.to_dict().keys() - {"model_type", "architectures", "transformers_version"}
    fields = own_fields(shape, known, where)
    try:
        config = CONFIG_MAPPING[model_type](**fields, architectures=[MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[model_type]])
    except Exception as error:  # each architecture checks its fields in its own way
        raise UserError(
            f"{where}: Transformers rejects this shape ({str(error).splitlines()[0]}); correct its values"
        ) from error
    _require_sizes(config, shape, where)
    # Nested configurations reject some keys of their own full output, so these models get the shorter one.
    return _within_vocabulary(config.to_diff_dict() if config.sub_configs else config.to_dict(), config.vocab_size)


def _require_sizes(config: Any, shape: Mapping[str, Any], where: str) -> None:
    """UserError for a given window that no context fills, and for experts that cannot be chosen."""
    names = FRIENDLY.get(shape["model_type"], LLAMA)

    def given(name: str) -> str | None:
        return next((key for key in (name, names.get(name)) if key in shape), None)

    window, longest = getattr(config, "sliding_window", None), getattr(config, "max_position_embeddings", None)
    key = given("window") or ("sliding_window" if "sliding_window" in shape else None)
    if key and window and longest and window > longest:
        raise UserError(
            f"{where}.{key}: {window} is more than max_position_embeddings {longest}; write {longest} or less, raise "
            "max_position_embeddings, or leave it out"
        )
    own = names.get("experts")
    experts, chosen = getattr(config, own, None) if own else None, getattr(config, "num_experts_per_tok", None)
    if experts and chosen and chosen > experts:
        raise UserError(
            f"{where}.{given('experts_per_token') or given('experts')}: {chosen} experts a token of {experts} experts; "
            "lower experts_per_token or raise experts"
        )
    groups = getattr(config, "n_group", None)
    if experts and groups and groups > 1 and (experts % groups or experts // groups < 2):
        raise UserError(
            f"{where}.{given('experts') or 'n_group'}: {experts} experts do not make {groups} equal groups (n_group) "
            "of 2 or more; set n_group and topk_group to 1, or change experts"
        )


def _within_vocabulary(config: dict[str, Any], vocab_size: int) -> dict[str, Any]:
    """Drop the architecture's default special token ids that lie outside a small vocabulary."""
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if isinstance(config.get(key), int) and config[key] >= vocab_size:
            config[key] = None
    return config
