"""A model folder: checks of its files, and their digests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.files import read_json, sha256
from kvbench.model.weights import check_weights, refuse_pointers

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
    refuse_remote_code(read_json(folder / "config.json"), where)
    weight_map = _weight_map(folder)
    missing = sorted(shard for shard in set(weight_map.values()) if not (folder / shard).is_file())
    if missing:
        raise UserError(f"{where}: {folder} lacks {missing[0]}, which its index names; complete the model")
    if not weight_files(folder):
        raise UserError(f"{where}: {folder} has no *.safetensors; convert the model to safetensors first")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise UserError(f"{where}: {folder} has no tokenizer ({', '.join(TOKENIZER_FILES[:3])}); add the model's own")
    check_weights(folder, weight_map, where)


def refuse_remote_code(config: Any, where: str) -> None:
    """UserError if a model's configuration needs its own Python code, which kvbench never runs."""
    if not isinstance(config, dict):
        raise UserError(f"{where}: its config.json is not a JSON object; correct it or use another model")
    if "auto_map" in config:
        raise UserError(
            f"{where}: the model needs its own Python code (auto_map), which kvbench never runs; use another model"
        )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model, sorted."""
    return sorted(folder.glob("*.safetensors"))


def file_digests(folder: Path, bar: ProgressBar | None = None) -> dict[str, str]:
    """SHA-256 of the configuration, weights and tokenizer in `folder`, by name; `bar` shows the bytes read."""
    names = [*weight_files(folder), *folder.glob("*.json"), *folder.glob("*.jinja"), *folder.glob("*.txt")]
    files = sorted({*names, *folder.glob("tokenizer.model")})
    shown = bar(sum(file.stat().st_size for file in files), "B") if bar else None
    try:
        return {file.name: sha256(file, shown.update if shown else None) for file in files}
    finally:
        if shown:
            shown.close()


def _weight_map(folder: Path) -> dict[str, str]:
    """Tensor to file, if the weights have an index."""
    index = folder / "model.safetensors.index.json"
    return read_json(index)["weight_map"] if index.is_file() else {}
