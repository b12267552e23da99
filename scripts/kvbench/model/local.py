"""Source `path`: a model folder of the user's, used where it lies."""

from __future__ import annotations

from pathlib import Path

from kvbench.model.folder import check_folder


def find_folder(path: str, name: str) -> Path:
    """The absolute path of the folder; UserError unless it holds configuration, safetensors and tokenizer."""
    folder = Path(path).expanduser().resolve()
    check_folder(folder, f"config.yaml: models.{name}.path")
    return folder
