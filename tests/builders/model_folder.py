"""A user's model folder: configuration, weights and tokenizer, as far as they are looked at without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save

WEIGHTS = save({"a": np.arange(4, dtype=np.float32)})  # a whole file of one tensor


def write_model_folder(folder: Path) -> Path:
    """All that a model needs, in `folder`."""
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "tokenizer.json").write_text("{}")
    return folder
