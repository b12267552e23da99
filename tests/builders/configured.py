"""config.yaml with sections of a test's own, validated."""

from __future__ import annotations

import copy
from typing import Any

from builders.places import CONFIG, SCHEMA
from kvbench.config.settings import validate
from kvbench.yaml_files import read_yaml


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with all defaults; UserError where it is wrong. The one given stays as it is."""
    return validate(copy.deepcopy(config), SCHEMA)


def configured(**sections: Any) -> dict[str, Any]:
    """The whole configuration for a CPU with these sections in place of those of config.yaml."""
    return complete(read_yaml(CONFIG) | {"device": "cpu"} | sections)
