"""Checks the options of a workload in the configuration."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.fixed_prompts import PARITY
from kvbench.workload.request_file import ALL, FIRST, FORMATS

LARGEST = 10_000_000
OPTIONAL = ("requests", "format", "output_tokens", "speed")
CHOICES = {"too_long": ("refuse", "skip"), "bad_turns": ("refuse", "skip"), "turns": (FIRST, ALL), "format": FORMATS}
DEFAULTS: dict[str, dict[str, Any]] = {
    "guide": {"output_tokens": 50},
    "mixed": {"requests": 16},
    "sharegpt": {"requests": 128},
    "alpaca": {"requests": 128},
    "shared-prefix": {"requests": 16, "prefix_tokens": 128, "suffix_tokens": 32, "output_tokens": 32},
    "parallel-sampling": {"requests": 8, "samples": 4, "prompt_tokens": 128, "output_tokens": 32},
    "parity": {"prompts": len(PARITY), "output_tokens": 50},
    "user": {
        "file": None,
        "format": None,
        "requests": None,
        "turns": "first",
        "output_tokens": None,
        "speed": None,
        "too_long": "refuse",
        "bad_turns": "refuse",
    },
}


def workload_options(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options of `workloads.<name>` with defaults filled in and `kind`; UserError names a bad key."""
    where = f"config.yaml: workloads.{name}"
    kind = settings.get("kind")
    if kind not in DEFAULTS:
        raise UserError(f"{where}.kind: {kind!r} is unknown; use one of {', '.join(DEFAULTS)}")
    for key in settings:
        if key != "kind" and key not in DEFAULTS[kind]:
            near = difflib.get_close_matches(key, DEFAULTS[kind], n=1)
            hint = f"did you mean {near[0]}?" if near else f"{kind} has {', '.join(DEFAULTS[kind])}"
            raise UserError(f"{where}.{key}: unknown key; {hint}")
    options = {**DEFAULTS[kind], **settings}
    for key, value in options.items():
        _check(f"{where}.{key}", key, value)
    if kind == "parity" and options["prompts"] > len(PARITY):
        raise UserError(f"{where}.prompts: there are only {len(PARITY)} prompts; use that number or fewer")
    return options


def _check(where: str, key: str, value: Any) -> None:
    if key == "kind" or (value is None and key in OPTIONAL):
        return
    if key == "file":
        if not isinstance(value, str) or not value:
            raise UserError(f"{where}: give the path of a file of requests")
    elif key in CHOICES:
        if value not in CHOICES[key]:
            raise UserError(f"{where}: {value!r} is unknown; use {' or '.join(CHOICES[key])}")
    elif key == "speed":
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise UserError(f"{where}: {value!r} is not allowed; use a number above 0")
    elif type(value) is not int or not 1 <= value <= LARGEST:
        raise UserError(f"{where}: {value!r} is not allowed; use a whole number from 1 to {LARGEST}")
