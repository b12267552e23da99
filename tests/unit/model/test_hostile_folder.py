"""A model folder that asks for code, of its own or of a repository, is refused before a library reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders.model_settings import WHERE
from builders.refusals import refused

from kvbench.model.folder import check_folder

OWN = {"auto_map": dict.fromkeys(("AutoConfig", "AutoModel", "AutoModelForCausalLM"), "own.Own")}
TOKENIZER = {"auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}, "tokenizer_class": "Own"}


@pytest.mark.parametrize(
    ("file", "content", "key"),
    [
        ("config.json", OWN, "auto_map"),
        ("config.json", {"text_config": OWN}, "auto_map"),
        ("config.json", {"sub": [{"deep": OWN}]}, "auto_map"),
        ("tokenizer_config.json", TOKENIZER, "auto_map"),
        ("processor_config.json", OWN, "auto_map"),
        ("config.json", {"_attn_implementation": "owner/kernel"}, "_attn_implementation"),
        ("config.json", {"attn_implementation": {"text_config": "owner/kernel"}}, "attn_implementation"),
    ],
)
def test_a_folder_that_asks_for_code_is_refused(model_folder: Path, file: str, content: Any, key: str) -> None:
    (model_folder / file).write_text(json.dumps(content))
    with refused(rf"^{WHERE}: the model needs Python code of its own or of a repository \({key} in {file}\), which"):
        check_folder(model_folder, WHERE)


def test_a_folder_with_an_adapter_is_refused(model_folder: Path) -> None:
    (model_folder / "adapter_config.json").write_text('{"base_model_name_or_path": "x"}')
    with refused(rf"^{WHERE}: {model_folder} has adapter_config.json, .*; merge it into the weights$"):
        check_folder(model_folder, WHERE)


def test_a_folder_with_pickles_alone_is_refused(model_folder: Path) -> None:
    (model_folder / "model.safetensors").rename(model_folder / "pytorch_model.bin")
    with refused(rf"^{WHERE}: {model_folder} has no \*.safetensors; convert the model to safetensors first$"):
        check_folder(model_folder, WHERE)


@pytest.mark.parametrize(
    ("index", "line"),
    [
        ({"weight_map": {"a": "pytorch_model.bin"}}, r"pytorch_model.bin lacks tensor a, which its index names"),
        ({"weight_map": {"a": "../out.safetensors"}}, r"lacks ../out.safetensors, which its index names"),
        ({"weight_map": ["a"]}, r"index.json: weight_map does not name a file for each tensor"),
        ({"weight_map": {"a": 1}}, r"index.json: weight_map does not name a file for each tensor"),
        ({}, r"index.json: lacks weight_map"),
        ([], r"index.json: not a JSON object"),
    ],
)
def test_an_index_names_safetensors_of_its_folder(model_folder: Path, index: Any, line: str) -> None:
    (model_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (model_folder / "pytorch_model.bin").write_bytes(b"")
    with refused(line):
        check_folder(model_folder, WHERE)


def test_json_that_nests_without_end_is_refused(model_folder: Path) -> None:
    (model_folder / "tokenizer_config.json").write_text("[" * 100_000)
    with refused("tokenizer_config.json: (not valid JSON|lists or mappings nest too deep)"):
        check_folder(model_folder, WHERE)
