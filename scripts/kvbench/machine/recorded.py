"""The facts about a machine that `check_environment` has recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kvbench.files import read_record


def read_environment(path: str | Path) -> dict[str, Any]:
    """Read environment.json; UserError if it is missing, broken or lacks the device or the CPU."""
    return read_record(path, "device", "cpu")
