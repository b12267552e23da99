"""Models given as a bare shape: friendly names for sizes, and inconsistent sizes."""

from types import SimpleNamespace

import pytest
from builders.model_settings import WHERE

from kvbench.errors import UserError
from kvbench.model.shape import _require_sizes, _within_vocabulary, own_fields

LLAMA_FIELDS = {
    "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_size",
    "intermediate_size", "vocab_size", "max_position_embeddings", "rms_norm_eps",
}  # fmt: skip


def fields(shape: dict, known: set[str] | None = None) -> dict:
    return own_fields(shape, known or LLAMA_FIELDS, f"{WHERE}.shape")


def test_friendly_names_of_llama():
    shape = {"model_type": "llama", "layers": 2, "heads": 4, "kv_heads": 2, "hidden_size": 64, "rms_norm_eps": 1e-6}
    expected = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 64}
    assert fields(shape) == {**expected, "rms_norm_eps": 1e-6}


def test_friendly_names_of_gpt2():
    shape = {
        "model_type": "gpt2", "layers": 12, "heads": 12, "kv_heads": 12, "head_dim": 64, "hidden_size": 768,
        "intermediate_size": 3072, "max_position_embeddings": 1024,
    }  # fmt: skip
    known = {"n_layer", "n_head", "n_embd", "n_inner", "n_positions"}
    expected = {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_inner": 3072, "n_positions": 1024}
    assert fields(shape, known) == expected


def test_friendly_names_of_opt_keep_its_embedding_as_wide():
    known = LLAMA_FIELDS | {"ffn_dim", "word_embed_proj_dim"}
    shape = {"model_type": "opt", "hidden_size": 5120, "intermediate_size": 20480}
    assert fields(shape, known) == {"hidden_size": 5120, "ffn_dim": 20480, "word_embed_proj_dim": 5120}


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"layer": 2}, r"shape\.layer: unknown key for llama; did you mean layers"),
        ({"layers": 0}, r"shape\.layers: 0 is not a valid size"),
        ({"layers": "32"}, r"shape\.layers: '32' is not a valid size"),
        ({"layers": True}, r"shape\.layers: True is not a valid size"),
        ({"layers": 2, "num_hidden_layers": 3}, "given twice"),
        ({"heads": 3, "hidden_size": 64}, "hidden_size 64 is not divisible by 3 heads"),
        ({"heads": 4, "kv_heads": 3}, "4 heads are not divisible by 3 KV heads"),
    ],
)
def test_bad_shapes(shape: dict, message: str):
    with pytest.raises(UserError, match=message):
        fields({"model_type": "llama", **shape})


def test_friendly_names_of_windows_experts_and_latent_vectors():
    window = {"sliding_window"}
    assert fields({"model_type": "gemma3_text", "layers": 6, "window": 64}, LLAMA_FIELDS | window) == {
        "num_hidden_layers": 6,
        "sliding_window": 64,
    }
    known = LLAMA_FIELDS | window | {"num_local_experts", "num_experts_per_tok"}
    experts = {"model_type": "gpt_oss", "experts": 4, "experts_per_token": 2}
    assert fields(experts, known) == {"num_local_experts": 4, "num_experts_per_tok": 2}
    known = LLAMA_FIELDS | {"kv_lora_rank", "qk_rope_head_dim", "n_routed_experts", "num_experts_per_tok"}
    latent = {"model_type": "deepseek_v3", "heads": 4, "latent": 512, "rope": 64, "experts": 8}
    assert fields(latent, known) == {
        "num_attention_heads": 4,
        "num_key_value_heads": 4,  # every head has its own keys, made from the latent vector
        "kv_lora_rank": 512,
        "qk_rope_head_dim": 64,
        "n_routed_experts": 8,
    }


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"model_type": "gemma2", "window": 0}, r"shape\.window: 0 is not a valid size"),
        ({"model_type": "llama", "window": 64}, r"shape\.window: unknown key for llama"),
        (
            {"model_type": "deepseek_v3", "head_dim": 64},
            r"head_dim: deepseek_v3 has no such size; set qk_nope",
        ),
        ({"model_type": "deepseek_v3", "heads": 4, "kv_heads": 2}, r"kv_heads: 2 is not the number of heads \(4\)"),
    ],
)
def test_bad_sizes_of_other_kinds_of_layers(shape: dict, message: str):
    with pytest.raises(UserError, match=message):
        fields(shape, LLAMA_FIELDS | {"sliding_window"})


SIZES = {"window": 64, "longest": 512, "experts": 8, "chosen": 2, "groups": 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"window": 600}, r"shape\.window: 600 is more than max_position_embeddings 512; write 512 or less"),
        ({"chosen": 9}, r"shape\.experts: 9 experts a token of 8 experts; lower experts_per_token"),
        ({"groups": 3}, r"shape\.experts: 8 experts do not make 3 equal groups \(n_group\) of 2 or more"),
        ({"groups": 8}, r"shape\.experts: 8 experts do not make 8 equal groups"),
    ],
)
def test_sizes_that_do_not_fit_each_other(changed: dict, message: str):
    _require_sizes(*sized(), f"{WHERE}.shape")
    with pytest.raises(UserError, match=message):
        _require_sizes(*sized(**changed), f"{WHERE}.shape")


def sized(**changed: int) -> tuple[SimpleNamespace, dict]:
    """A configuration that has a window, experts and groups of them, and the shape that asks for it."""
    of = SIZES | changed
    config = SimpleNamespace(
        sliding_window=of["window"],
        max_position_embeddings=of["longest"],
        num_local_experts=of["experts"],
        num_experts_per_tok=of["chosen"],
        n_group=of["groups"],
    )
    return config, {"model_type": "gpt_oss", "window": of["window"], "experts": of["experts"]}


def test_gpt2_has_no_grouped_heads():
    with pytest.raises(UserError, match=r"shape\.kv_heads: gpt2 does not support this key"):
        fields({"model_type": "gpt2", "heads": 12, "kv_heads": 4}, {"n_head"})


def test_special_ids_beyond_the_vocabulary_are_dropped():
    config = {"vocab_size": 256, "bos_token_id": 50256, "eos_token_id": 2, "pad_token_id": None}
    assert _within_vocabulary(config, 256) == {**config, "bos_token_id": None}
