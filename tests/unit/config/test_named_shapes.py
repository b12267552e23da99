"""`shape: <name>` stands for the sizes of a published model."""

from __future__ import annotations

from typing import Any

import pytest
from builders.overlaid import overlaid
from builders.places import SCHEMA, SHAPES

from kvbench.config.named_shapes import sizes, with_shapes
from kvbench.config.settings import validate
from kvbench.errors import UserError
from kvbench.yaml_files import read_yaml

PUBLISHED = read_yaml(SHAPES)["shapes"]
LLAMA = {"model_type": "llama", "layers": 32, "heads": 32, "kv_heads": 32, "hidden_size": 4096}
LLAMA |= {"intermediate_size": 11008, "vocab_size": 32000, "max_position_embeddings": 4096}


def run_of(shape: Any, **own: Any) -> dict[str, Any]:
    """config.yaml with one run of a model of this shape."""
    run = {"models": ["named"], "workloads": ["mixed"], "engines": ["vllm", "hf-batch"], **own}
    config = overlaid() | {"runs": [run], "benchmarks": {}, "device": "cpu"}
    return config | {"models": {"named": {"source": "shape", "shape": shape}}}


def test_a_name_becomes_the_sizes() -> None:
    config = run_of("llama-2-7b")
    assert validate(config, SCHEMA)["models"]["named"]["shape"] == LLAMA
    assert config["models"]["named"]["shape"] == LLAMA, "what is written as results/config.yaml"


def test_sizes_are_checked_as_if_they_were_written_out() -> None:
    with pytest.raises(UserError, match=r"runs\[0\]\.max_length: 5000 is more than named's max_position_embeddings"):
        validate(run_of("llama-2-7b", max_length=5000), SCHEMA)


def test_an_unknown_name_is_named_with_its_key() -> None:
    with pytest.raises(UserError, match=r'models\.named\.shape: unknown shape "llama-2-7"; did you mean llama-2-7b'):
        validate(run_of("llama-2-7"), SCHEMA)


def test_the_pattern_of_layers_repeats_to_their_number() -> None:
    shape = sizes(PUBLISHED["ministral-8b"])
    assert len(shape["layer_types"]) == shape["layers"] == 36
    assert shape["layer_types"].count("full_attention") == 9


@pytest.mark.parametrize("config", [None, [], {}, {"models": 1}, {"models": {"a": None, "b": {"shape": {}}}}])
def test_anything_else_is_left_to_the_schema(config: Any) -> None:
    assert with_shapes(config) == config
