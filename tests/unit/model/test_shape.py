"""Models given as a bare shape: friendly names for sizes, and inconsistent sizes."""

import pytest
from builders.model_settings import WHERE

from kvbench.errors import UserError
from kvbench.model.shape import _within_vocabulary, own_fields

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


def test_gpt2_has_no_grouped_heads():
    with pytest.raises(UserError, match=r"shape\.kv_heads: gpt2 does not support this key"):
        fields({"model_type": "gpt2", "heads": 12, "kv_heads": 4}, {"n_head"})


def test_special_ids_beyond_the_vocabulary_are_dropped():
    config = {"vocab_size": 256, "bos_token_id": 50256, "eos_token_id": 2, "pad_token_id": None}
    assert _within_vocabulary(config, 256) == {**config, "bos_token_id": None}
