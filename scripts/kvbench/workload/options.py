"""Checks the options of a workload in the configuration."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.fixed_prompts import PARITY

LARGEST = 10_000_000
DEFAULTS: dict[str, dict[str, Any]] = {
    "guide": {"output_tokens": 50},
    "mixed": {"requests": 16},
    "sharegpt": {"requests": 128},
    "alpaca": {"requests": 128},
    "shared-prefix": {"requests": 16, "prefix_tokens": 128, "suffix_tokens": 32, "output_tokens": 32},
    "parallel-sampling": {"requests": 8, "samples": 4, "prompt_tokens": 128, "output_tokens": 32},
    "parity": {"prompts": len(PARITY), "output_tokens": 50},
    "user": {"file": None, "requests": None, "too_long": "refuse", "bad_turns": "refuse"},
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
    if key in ("kind",) or (key == "requests" and value is None):
        return
    if key == "file":
        if not isinstance(value, str) or not value:
            raise UserError(f"{where}: give the path of a JSONL, ShareGPT JSON or CSV file")
    elif key in ("too_long", "bad_turns"):
        if value not in ("refuse", "skip"):
            raise UserError(f"{where}: {value!r} is unknown; use refuse or skip")
    elif type(value) is not int or not 1 <= value <= LARGEST:
        raise UserError(f"{where}: {value!r} is not allowed; use a whole number from 1 to {LARGEST}")
