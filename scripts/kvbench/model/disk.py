"""Check for free disk space before anything is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from kvbench.errors import UserError


def require_free(folder: Path, needed_bytes: int, name: str) -> None:
    """UserError unless the file system of `folder` (which need not exist yet) has `needed_bytes` free."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_bytes:
        raise UserError(
            f"{folder}: model {name} needs {needed_bytes / 1e9:.2f} GB, but only {free_bytes / 1e9:.2f} GB are free; "
            "free some disk space and run again"
        )
