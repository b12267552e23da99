"""Whether there is space and permission to write, before Snakemake ends in a traceback because there is not."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from kvbench.errors import UserError
from kvbench.files import FULL

PROBE = bytes(64 * 1024)


def require_writable(files: Iterable[str | Path]) -> None:
    """UserError if one of the folders that `files` are to be in, or the nearest one there is, takes no file."""
    for folder in sorted({_nearest(Path(file)) for file in files}):
        try:
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(PROBE)
        except OSError as error:
            raise UserError(f"{folder}: {_mend(error)}") from None


def _mend(error: OSError) -> str:
    if error.errno in FULL:
        return "no space left on the disk; free some and run again"
    return f"cannot be written to ({os.strerror(error.errno or 0).lower()}); change that, or run in another folder"


def _nearest(file: Path) -> Path:
    return next(folder for folder in file.absolute().parents if folder.is_dir())
