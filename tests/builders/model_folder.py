"""A minimal user model folder (configuration, weights, tokenizer) that passes every check made without torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path

HEADER = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
# A valid safetensors file with one tensor: length of the header, header, numbers.
WEIGHTS = struct.pack("<Q", len(HEADER)) + HEADER + struct.pack("<4f", 0, 1, 2, 3)


def write_model_folder(folder: Path) -> Path:
    """Create `folder` with every file a model needs."""
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "tokenizer.json").write_text("{}")
    return folder
