"""Bytes of KV against context length, by group, and the shares that vLLM's RFC 11382 prints for two of the shapes."""

import pytest
from builders.places import PUBLISHED, SHAPES
from builders.plans import KNOWN

from kvbench.analysis.published import read_published
from kvbench.capacity.by_context import QUANTITY, read_by_context, table
from kvbench.errors import UserError

OWN = read_by_context(SHAPES, KNOWN)
TABLE = table(KNOWN, OWN, read_published(PUBLISHED, QUANTITY))


def rows(shape, context):
    return TABLE[(TABLE["shape"] == shape) & (TABLE["context_tokens"] == context)].set_index("kind")


def test_the_bytes_of_gemma_3_by_hand():
    found = rows("gemma-3-27b", 8192)
    layer = 2 * 16 * 128 * 2
    assert dict(found.group_bytes) == {"sliding": 52 * layer * 1024, "full": 10 * layer * 8192}
    assert dict(found.next_token_bytes) == {"sliding": 0, "full": 10 * layer}
    assert set(found.request_bytes) == {layer * (52 * 1024 + 10 * 8192)}
    assert set(found.as_full_bytes) == {62 * layer * 8192}
    assert found.wasted_as_full_share.iloc[0] == pytest.approx(52 * 7 / (62 * 8))
    assert dict(rows("gemma-3-27b", 1024).next_token_bytes) == {"sliding": 0, "full": 10 * layer}
    assert rows("gemma-2-27b", 1024).loc["sliding"].next_token_bytes == 23 * layer


def test_a_latent_vector_is_as_small_as_it_is():
    found = rows("deepseek-v3", 1024).loc["mla"]
    assert (found.request_bytes, found.as_full_bytes, found.wasted_as_full_share) == (61 * 576 * 2 * 1024,) * 2 + (0,)


def test_the_shares_are_those_of_the_rfc():
    told = TABLE.dropna(subset="published_share")
    assert dict(zip(told["shape"], told["published_share"], strict=True)) == {
        "gemma-2-27b": 0.25,
        "ministral-8b": 0.5625,
    }
    assert list(told["wasted_as_full_share"]) == list(told["published_share"])


def test_no_length_is_more_than_that_of_the_model():
    longest = TABLE.groupby("shape")["context_tokens"].max()
    assert dict(longest) == {name: shape.max_context for name, shape in KNOWN.items()}
    assert list(TABLE[TABLE["shape"] == "gpt2"]["context_tokens"]) == [1024]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  kv_dtype: bfloat16", "  kv_dtype: int4", "by_context.kv_dtype: 'int4' is unknown; use one of float16"),
        ("[llama-3.1-8b,", "[llama-3.1-9b,", "by_context.models: unknown model llama-3.1-9b; use one of gpt2"),
        ("by_context:", "by_contexts:", "by_context: not a mapping; write contexts_tokens, kv_dtype, models"),
    ],
)
def test_a_mistake_is_named(tmp_path, old, new, line):
    path = tmp_path / "shapes.yaml"
    path.write_text(SHAPES.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=line):
        read_by_context(path, KNOWN)
