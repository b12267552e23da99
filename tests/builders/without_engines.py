"""An environment without engines, made of one that has them."""

from __future__ import annotations

from pathlib import Path

from kvbench.machine.packages import ENGINES

# Python imports this module at its start, wherever a test's folder is on PYTHONPATH.
HIDE = f"""
import sys
from importlib import metadata

NAMES = {ENGINES!r}
found = metadata.version

def version(name):
    if name in NAMES:
        raise metadata.PackageNotFoundError(name)
    return found(name)

metadata.version = version
sys.modules.update(dict.fromkeys(("torch", "transformers", "vllm", "tokenizers")))
"""


def hide_engines(folder: Path) -> dict[str, str]:
    """Return environment variables under which Python finds no engine; `folder` is empty."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDE)
    return {"PYTHONPATH": str(folder)}
