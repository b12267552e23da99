"""Prepare a model from any source: its files in a folder, its description in a record."""

from __future__ import annotations

import difflib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.files import read_json, write_text
from kvbench.model.architecture import read_architecture
from kvbench.model.folder import ProgressBar, file_digests
from kvbench.model.hub import fetch
from kvbench.model.local import find_folder
from kvbench.model.package import check_digest, dequantise, find_packaged_file
from kvbench.model.quantised import require_runnable
from kvbench.model.record import ModelRecord
from kvbench.model.shape import make_config
from kvbench.model.slots import ITEMSIZE
from kvbench.model.tokenizer import save_fast_tokenizer

KEYS = {
    "package": ("package", "version", "file", "sha256"),
    "hub": ("id", "revision"),
    "path": ("path",),
    "shape": ("shape",),
}


def prepare_model(settings: Mapping[str, Any], name: str, folder: Path, bar: ProgressBar | None = None) -> ModelRecord:
    """Make the model of `models.<name>` ready for the engines.

    Args:
        settings: its configuration: `source`, that source's keys, `dtype`.
        folder: where model.json will be; files that kvbench writes go to its subfolder `model`.
        bar: creates a progress bar from (total, unit) for long reads.

    Raises:
        UserError: a setting or file is missing, wrong or does not fit; the message names the key.
    """
    where = f"config.yaml: models.{name}"
    source = check_settings(settings, where)
    folder = folder.resolve()
    path = _place(source, settings, name, folder, bar)
    require_runnable(read_json(path / "config.json"), where)
    architecture = read_architecture(path, where)
    has_text = source != "shape"
    if has_text:
        save_fast_tokenizer(path, folder / "tokenizer.json")
    else:
        (folder / "tokenizer.json").unlink(missing_ok=True)
    return ModelRecord(
        name=name,
        source=source,
        path=path,
        tokenizer=has_text,
        dtype=settings.get("dtype") or "auto",
        architecture=architecture,
        files=file_digests(path, bar if source in ("hub", "path") else None),
        revision=settings.get("revision") if source == "hub" else settings.get("version"),
        folder=folder,
    )


def check_settings(settings: Mapping[str, Any], where: str) -> str:
    """The source of a model's settings; UserError for an unknown source, key or dtype, or a missing key."""
    source = settings.get("source")
    if source not in KEYS:
        raise UserError(f"{where}.source: {source!r} is unknown; use one of {', '.join(KEYS)}")
    for key in settings:
        if key not in ("source", "dtype", *KEYS[source]):
            near = difflib.get_close_matches(key, ("dtype", *KEYS[source]), n=1)
            raise UserError(f"{where}.{key}: unknown key; {f'did you mean {near[0]}?' if near else 'remove it'}")
    for key in KEYS[source]:
        if not settings.get(key) and key not in ("version", "sha256", "revision"):
            raise UserError(f"{where}.{key}: missing; source {source} needs it")
    dtype = settings.get("dtype") or "auto"
    if dtype not in ("auto", *ITEMSIZE):
        raise UserError(f"{where}.dtype: {dtype!r} is unknown; use one of auto, {', '.join(ITEMSIZE)}")
    return source


def _place(source: str, settings: Mapping[str, Any], name: str, folder: Path, bar: ProgressBar | None) -> Path:
    """The folder of the model's files, written or downloaded if necessary."""
    where = f"config.yaml: models.{name}"
    if source == "hub":
        return fetch(settings["id"], settings.get("revision"), name)
    if source == "path":
        return find_folder(settings["path"], name)
    target = folder / "model"
    if source == "package":
        gguf = find_packaged_file(settings["package"], settings.get("version"), settings["file"], where)
        check_digest(gguf, settings.get("sha256"), where, bar)
        dequantise(gguf, target, name)
    else:
        _write_shape(settings["shape"], target, f"{where}.shape")
    return target


def _write_shape(shape: Any, target: Path, where: str) -> None:
    if not isinstance(shape, Mapping):
        raise UserError(
            f"{where}: {shape!r} is not a mapping; write keys such as model_type, layers, heads, hidden_size"
        )
    config = make_config(shape, where)
    shutil.rmtree(target, ignore_errors=True)
    write_text(target / "config.json", json.dumps(config, indent=2, sort_keys=True, allow_nan=False) + "\n")
