"""A minimal user model folder (configuration, weights, tokenizer) that passes every check made without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save

WEIGHTS = save({"a": np.arange(4, dtype=np.float32)})  # a valid file with one tensor


def write_model_folder(folder: Path) -> Path:
    """Create `folder` with every file a model needs."""
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "tokenizer.json").write_text("{}")
    return folder
