"""The folder of a finished run before anything was made from it."""

from __future__ import annotations

from pathlib import Path

import yaml

from kvbench.config.finished import needed
from kvbench.files import write_json


def finished(folder: Path, config: dict, device: str | None = "cuda") -> Path:
    """Write all that engines write for a configuration, empty, and the two files that say what it was."""
    for name in needed(config):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    write_json(folder / "results/environment.json", {"device": device, "cpu": {}})
    (folder / "results/config.yaml").write_text(yaml.safe_dump(config))
    return folder
