"""Check a model's files by their headers, before any engine reads the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kvbench.errors import UserError

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
ENOUGH = 1 << 10  # a pointer is a few lines


def refuse_pointers(folder: Path, where: str) -> None:
    """UserError for a Git LFS pointer in place of a file; the message begins with `where`, the key in config.yaml."""
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        if _is_pointer(file):
            remedy = "fetch the file itself with `git lfs pull` in that folder, or download it again"
            raise UserError(f"{where}: {file} is a Git LFS pointer, not the file; {remedy}")


def check_weights(folder: Path, weight_map: Mapping[str, str], where: str) -> None:
    """UserError for truncated weights and for files that are not safetensors.

    Args:
        weight_map: tensor to file, from the model's index; each file must contain its tensors.
        where: as in `refuse_pointers`.
    """
    tensors = {file.name: _tensors(file, where) for file in sorted(folder.glob("*.safetensors"))}
    for tensor, file in weight_map.items():
        if tensor not in tensors.get(file, ()):
            raise UserError(f"{where}: {folder / file} lacks tensor {tensor}, which its index names; download it again")


def _is_pointer(file: Path) -> bool:
    if file.stat().st_size > ENOUGH:
        return False
    return file.read_bytes().startswith(LFS_POINTER)


def _tensors(file: Path, where: str) -> frozenset[str]:
    """Names of the tensors in a safetensors file; its header must account for every byte."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as opened:
            return frozenset(opened.keys())
    except SafetensorError as error:
        size = f"{file.stat().st_size:,} bytes"
        reason = str(error).rpartition("header: ")[2]
        raise UserError(
            f"{where}: {file} ({size}) is truncated or not a safetensors file ({reason}); download it again"
        ) from None
