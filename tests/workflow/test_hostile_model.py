"""Code that a model folder brings along never runs, even where a library reads the folder unchecked."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.model_settings import WHERE
from builders.places import IMPORT_PATH
from builders.refusals import refused
from builders.secrets import SECRET, TOKENS
from builders.tiny import generate, make_tiny, tiny_requests, tiny_settings

from kvbench.engines.transformers.model import load_model
from kvbench.engines.transformers.padded import TransformersEngine
from kvbench.errors import UserError
from kvbench.measure.run_files import _decoder
from kvbench.model.architecture import read_architecture
from kvbench.model.folder import check_folder
from kvbench.model.tokenizer import save_fast_tokenizer

CANARY = "open({canary!r}, 'w').close()\nraise SystemExit('code of the model ran')\n"
PICKLES = ("pytorch_model.bin", "adapter_model.bin", "model.pt", "consolidated.00.pth", "training_args.bin")
PLACES = ("own.py", "modeling_own.py", "tokenizer.py", "custom_generate/generate.py")
TEMPLATE = "{{{{ cycler.__init__.__globals__.os.system('touch {canary}') }}}}"
OWN = {"auto_map": dict.fromkeys(("AutoConfig", "AutoModel", "AutoModelForCausalLM"), "own.Own")}
TOKENIZER = {"auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}, "tokenizer_class": "Own"}


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, Path]:
    """A model that loads, with code of its own in every place that a library looks for, and the file that it writes."""
    folder, canary = make_tiny(tmp_path / "hostile"), tmp_path / "canary"
    write_tokenizer(folder)
    (folder / "custom_generate").mkdir()
    for place in PLACES:
        (folder / place).write_text(CANARY.format(canary=str(canary)))
    (folder / "custom_generate/requirements.txt").write_text("")
    for name in PICKLES:
        (folder / name).write_bytes(pickle.dumps(Pickled(str(canary))))
    (folder / "chat_template.jinja").write_text(TEMPLATE.format(canary=canary))
    (folder / "generation_config.json").write_text(json.dumps({"custom_generate": str(folder)}))
    return folder, canary


class Pickled:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (self.canary, "w")


def test_the_pickles_write_the_file_where_one_is_read(hostile: tuple[Path, Path]) -> None:
    folder, canary = hostile
    pickle.loads((folder / PICKLES[0]).read_bytes()).close()
    assert canary.exists()


def write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "a"}')


def add(path: Path, fields: dict[str, Any]) -> None:
    """Add fields to a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def loads(folder: Path, elsewhere: Path) -> dict[str, Callable[[], Any]]:
    """Every function of ours with which a library reads a model folder."""
    settings = tiny_settings(folder, "hf-batch", 8)
    return {
        "architecture": lambda: read_architecture(folder, WHERE),
        "tokenizer": lambda: save_fast_tokenizer(folder, elsewhere / "tokenizer.json"),
        "weights": lambda: load_model(settings, {}),
        "random weights": lambda: load_model(replace(settings, random_weights=True), {}),
        "decoder": lambda: _decoder(folder),
    }


def test_a_plain_model_beside_code_serves_requests(hostile: tuple[Path, Path], tmp_path: Path) -> None:
    """Nothing in the folder asks for its code, so it is accepted; a folder custom_generate needs no asking."""
    folder, canary = hostile
    check_folder(folder, WHERE)
    for load in loads(folder, tmp_path).values():
        load()
    engine = TransformersEngine(tiny_settings(folder, "hf-batch", 8))
    engine.load()
    assert generate(engine, tiny_requests([(4, 3)]))
    engine.close()
    assert not canary.exists()


@pytest.mark.parametrize("fields", [OWN, OWN | {"model_type": "own"}, OWN | {"architectures": ["Own"]}])
def test_code_that_a_model_asks_for_does_not_run_past_the_check(
    hostile: tuple[Path, Path], tmp_path: Path, fields: dict[str, Any]
) -> None:
    """A library may load the model with classes of its own, or fail."""
    folder, canary = hostile
    add(folder / "config.json", fields)
    add(folder / "tokenizer_config.json", TOKENIZER)
    for name, load in loads(folder, tmp_path).items():
        with suppress(UserError, ValueError, KeyError, OSError, ImportError, AttributeError):
            load()
        assert not canary.exists(), name


@pytest.mark.parametrize("fields", [{}, OWN])
def test_the_same_code_runs_for_whoever_trusts_it(
    hostile: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    """Otherwise the tests above would show nothing."""
    from transformers import AutoModelForCausalLM, dynamic_module_utils

    folder, canary = hostile
    add(folder / "config.json", fields)
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    with pytest.raises(SystemExit, match="code of the model ran"):
        AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
    assert canary.exists()


@pytest.mark.parametrize("size", [4, 200, -1])
def test_weights_that_were_damaged_after_the_check_are_told(hostile: tuple[Path, Path], size: int) -> None:
    weights = hostile[0] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    with refused(rf"^{hostile[0]}: the weights cannot be read .*, so they have changed since .*; put the model there"):
        load_model(tiny_settings(hostile[0], "hf-batch", 8), {})


SERVE = """
import sys
from pathlib import Path
from kvbench.engines.vllm.runner import VllmEngine
from builders.tiny import generate, tiny_requests, tiny_settings

engine = VllmEngine(tiny_settings(Path(sys.argv[1]), "vllm", 8))
try:
    engine.load()
    generate(engine, tiny_requests([(4, 3)]))
    print("served")
finally:
    engine.close()
"""


@pytest.mark.parametrize("fields", [{}, OWN | {"model_type": "own"}])
def test_vllm_runs_no_code_of_a_model_either(hostile: tuple[Path, Path], fields: dict[str, Any]) -> None:
    """In a process of its own; a model that needs its own code fails, and the code beside a plain one stays unused."""
    folder, canary = hostile
    add(folder / "config.json", fields)
    command = [sys.executable, "-c", SERVE, str(folder)]
    own = {**os.environ, **TOKENS, "PYTHONPATH": IMPORT_PATH}
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=300, check=False)
    assert ("served" in done.stdout) == (not fields), done.stdout + done.stderr
    assert "code of the model ran" not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not canary.exists()
