"""Validated configurations: config.yaml with some sections replaced by a test."""

from __future__ import annotations

import copy
from typing import Any

from builders.places import CONFIG, SCHEMA
from kvbench.config.settings import validate
from kvbench.yaml_files import read_yaml


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """Validate a copy of the configuration and fill in the defaults; raise UserError if it is invalid."""
    return validate(copy.deepcopy(config), SCHEMA)


def configured(**sections: Any) -> dict[str, Any]:
    """Return config.yaml for a CPU with the given sections replaced, validated."""
    return complete(read_yaml(CONFIG) | {"device": "cpu"} | sections)
