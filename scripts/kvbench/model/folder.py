"""A model folder: checks of its files, and their digests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.files import read_json, read_record, sha256
from kvbench.model.weights import check_weights, refuse_pointers

# Files of which Transformers or vLLM read names of classes.
CONFIGURATIONS = ("config.json", "tokenizer_config.json", "generation_config.json", "processor_config.json")
CONFIGURATIONS += ("preprocessor_config.json", "video_preprocessor_config.json")
ADAPTER = "adapter_config.json"
IMPLEMENTATIONS = ("attn_implementation", "attn_implementation_internal", "experts_implementation")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json")
ProgressBar = Callable[[int, str], Any]  # (total, unit) to something with update(n) and close(), such as tqdm's bar


def check_folder(folder: Path, where: str) -> None:
    """UserError unless `folder` holds config.json without remote code, whole safetensors shards and a tokenizer.

    Args:
        where: how the message begins, the key in the configuration.
    """
    if not folder.is_dir():
        raise UserError(f"{where}: no folder {folder}; give a folder with config.json, *.safetensors and a tokenizer")
    refuse_pointers(folder, where)
    if not (folder / "config.json").is_file():
        raise UserError(f"{where}: {folder} has no config.json; give a Transformers model folder")
    for file in sorted(folder.glob("*.json")):
        refuse_remote_code(file, where)
    if (folder / ADAPTER).is_file():
        problem = (
            f"{folder} has {ADAPTER}, an adapter that Transformers would load with its own files and vLLM would not"
        )
        raise UserError(f"{where}: {problem}; merge it into the weights")
    weight_map = _weight_map(folder)
    missing = sorted(shard for shard in set(weight_map.values()) if not (folder / shard).is_file())
    if missing:
        raise UserError(f"{where}: {folder} lacks {missing[0]}, which its index names; complete the model")
    if not weight_files(folder):
        raise UserError(f"{where}: {folder} has no *.safetensors; convert the model to safetensors first")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise UserError(f"{where}: {folder} has no tokenizer ({', '.join(TOKENIZER_FILES[:3])}); add the model's own")
    check_weights(folder, weight_map, where)


def refuse_remote_code(file: Path, where: str) -> None:
    """UserError if a JSON file of a model names Python code of its own, or code of a repository; none of it ever runs.

    config.json and those of tokenizers and processors name the model's own in `auto_map`, at the top or in a section.
    A kernel of a repository is an attention implementation whose name has a slash.
    """
    found = read_json(file) if file.name in CONFIGURATIONS else None
    if file.name == "config.json" and not isinstance(found, dict):
        raise UserError(f"{where}: its config.json is not a JSON object; correct it or use another model")
    if (key := _code_key(found)) is not None:
        problem = f"the model needs Python code of its own or of a repository ({key} in {file.name})"
        raise UserError(f"{where}: {problem}, which kvbench never runs; use another model")


def _code_key(found: Any) -> str | None:
    """A key that names code, however deep it lies."""
    waiting = [found]
    while waiting:
        value = waiting.pop()
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in pairs:
            if key == "auto_map" or (str(key).endswith(IMPLEMENTATIONS) and "/" in str(item)):
                return str(key)
            waiting.append(item)
    return None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model, sorted."""
    return sorted(folder.glob("*.safetensors"))


def model_files(folder: Path) -> list[Path]:
    """The configuration, weights and tokenizer in `folder`, sorted."""
    names = [*weight_files(folder), *folder.glob("*.json"), *folder.glob("*.jinja"), *folder.glob("*.txt")]
    return sorted({*names, *folder.glob("tokenizer.model")})


def file_digests(folder: Path, bar: ProgressBar | None = None) -> dict[str, str]:
    """SHA-256 of the files of a model by name; `bar` shows the bytes read."""
    files = model_files(folder)
    shown = bar(sum(file.stat().st_size for file in files), "B") if bar else None
    try:
        return {file.name: sha256(file, shown.update if shown else None) for file in files}
    finally:
        if shown:
            shown.close()


def _weight_map(folder: Path) -> dict[str, str]:
    """Tensor to file, if the weights have an index; UserError if that does not name files."""
    index = folder / "model.safetensors.index.json"
    found = read_record(index, "weight_map")["weight_map"] if index.is_file() else {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise UserError(f"{index}: weight_map does not name a file for each tensor; download the model again")
    return found
