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


def test_json_that_nests_without_end_is_refused(model_folder: Path) -> None:
    (model_folder / "tokenizer_config.json").write_text("[" * 100_000)
    with refused("tokenizer_config.json: (not valid JSON|lists or mappings nest too deep)"):
        check_folder(model_folder, WHERE)
