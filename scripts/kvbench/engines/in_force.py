"""Compare requested settings with those that an engine reports after loading: libraries change some silently."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from kvbench.engines.base import EngineSettings
from kvbench.errors import UserError

# Settings that must be the same in all engines: the name that engines report, and the key of config.yaml.
COMPARED = {
    "dtype": "models.<name>.dtype",
    "temperature": "sampling.temperature",
    "top_p": "sampling.top_p",
    "top_k": "sampling",
    "seed": "seed",
    "max_model_len": "max_length",
    "block_size": "block_size",
    "kv_cache_dtype": "kv_dtype",
    "enable_prefix_caching": "prefix_sharing",
    "tensor_parallel_size": "gpus",
    "threads": "cpu_threads",
}
CLOSE = 1e-6


def asked_of(settings: EngineSettings) -> dict[str, Any]:
    """Requested values of `COMPARED`; no top-p and top-k in greedy decoding, no threads on a GPU."""
    asked = {
        "dtype": settings.dtype,
        "temperature": settings.temperature,
        "seed": settings.seed,
        "max_model_len": settings.max_length,
        "block_size": settings.block_size,
        "kv_cache_dtype": settings.kv_dtype,
        "enable_prefix_caching": settings.prefix_sharing,
        "tensor_parallel_size": settings.gpus,
    }
    if settings.temperature > 0:
        asked |= {"top_p": settings.top_p, "top_k": 0}
    return asked | ({"threads": settings.threads} if settings.device == "cpu" else {})


def compare_in_force(settings: EngineSettings, reported: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The user's options that the engine changed: name to {"asked", "in_force"}.

    Args:
        reported: the engine's `in_force()`; its `options` are the user's options, if the engine reports them.

    Raises:
        UserError: the engine uses another value of a setting that all engines share.
    """
    for name, value in asked_of(settings).items():
        if name in reported and not same(value, reported[name]):
            raise UserError(
                f"config.yaml: {COMPARED[name]}: {settings.engine} uses {_shown(reported[name])} instead of the "
                f"requested {_shown(value)}; write {_shown(reported[name])}, or remove the engine from these runs"
            )
    found = reported.get("options") or {}
    return {
        name: {"asked": value, "in_force": found[name]}
        for name, value in settings.options.items()
        if name in found and not same(value, found[name])
    }


def same(asked: Any, in_force: Any) -> bool:
    """Whether a library's value is the requested one, however it is written: an enum's name, a dtype, `auto`."""
    if asked is None or asked == "auto":
        return True
    if isinstance(asked, Mapping):
        return all(same(value, _member(in_force, key)) for key, value in asked.items())
    if isinstance(asked, bool) or isinstance(in_force, bool):
        return asked == in_force
    if isinstance(asked, int | float) and isinstance(in_force, int | float):
        return abs(asked - in_force) <= CLOSE * max(abs(asked), abs(in_force))
    if isinstance(asked, list | tuple) and isinstance(in_force, list | tuple | set):
        return len(asked) == len(in_force) and all(map(same, asked, in_force))
    return _word(asked) == _word(in_force)


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)


def _word(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, str) else value.name
    return str(value).removeprefix("torch.").lower()


def _shown(value: Any) -> str:
    return json.dumps(value, default=str)
