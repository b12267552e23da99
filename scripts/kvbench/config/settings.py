"""Validate the settings in force; every error is one line.

Imported whenever Snakemake starts, so this module imports nothing heavy.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from kvbench.config.checks.in_order import check
from kvbench.config.named_shapes import with_shapes
from kvbench.config.runs import plan
from kvbench.config.schema import completed
from kvbench.config.wording import Invalid
from kvbench.errors import UserError
from kvbench.yaml_files import read_yaml

# Sections and keys whose values are paths given by the user.
PATHS = (("models", "path"), ("workloads", "file"), ("replays", "file"))


def validate(
    config: dict,
    schema_path: str | Path,
    origin: Callable[[str], str] = lambda key: "config.yaml",
    *,
    sources: bool = True,
) -> dict:
    """The checked configuration with every default filled in; `config` is completed in place.

    `origin` names the file that a key such as `workloads.mixed.file` comes from. Without `sources` the user's models
    and files may be missing. UserError names the file, the key and the correction.
    """
    try:
        complete = _with_home(completed(with_shapes(config), read_yaml(schema_path)))
        check(complete, plan(complete), uses_cuda(complete), sources=sources)
    except Invalid as error:
        raise UserError(f"{origin(error.at)}: {error}") from None
    config.clear()
    config.update(complete)
    return config


def _with_home(config: dict) -> dict:
    """`config` with `~` expanded in its paths; options of engines are left to the engines."""
    for section, key in PATHS:
        for entry in config[section].values():
            if key in entry:
                entry[key] = os.path.expanduser(entry[key])
    return config


def uses_cuda(config: dict) -> bool:
    """Whether the engines will run on a CUDA device, judged by the presence of a driver."""
    if config["device"] != "auto":
        return config["device"] == "cuda"
    return os.path.exists("/proc/driver/nvidia/version") or shutil.which("nvidia-smi") is not None
