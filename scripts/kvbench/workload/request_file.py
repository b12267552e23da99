"""A user's file of requests and what the configuration says about reading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.errors import UserError

# Formats by the name that the key `format` has for them, in the order of docs/workloads.md.
FORMATS = (
    "jsonl", "vllm-bench", "openai-batch", "sharegpt", "lmsys", "alpaca", "csv", "azure", "burstgpt", "mooncake",
)  # fmt: skip
FIRST, ALL = "first", "all"
LATEST_S = 4e9  # in nanoseconds, twice this (arrivals and as much for a replay) still fits an int64


@dataclass(frozen=True)
class RequestFile:
    """A file, and the keys of a workload or a replay that belong to it.

    `format` is one of FORMATS, None to go by the content. `turns` says which turns of a conversation are requests,
    `output_tokens` how many tokens to generate where the file does not say. Arrival times are divided by `speed`.
    """

    path: Path
    format: str | None = None
    turns: str = FIRST
    output_tokens: int | None = None
    speed: float | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> RequestFile:
        """The file of a workload's or a replay's options; keys that are missing or None have their defaults."""
        given = {key: options.get(key) for key in ("format", "turns", "output_tokens", "speed")}
        return cls(Path(options["file"]), **{key: value for key, value in given.items() if value is not None})

    def sped_up(self, arrival_s: NDArray[np.float64], last_place: str) -> NDArray[np.float64]:
        """Arrival times in seconds, shape (R,), divided by `speed`; `last_place` is that of the latest request.

        UserError for a speed without any arrival times, and for a time beyond LATEST_S.
        """
        if self.speed is not None and not arrival_s.any():
            raise UserError(f"{self.path}: no request arrives later than another, so speed changes nothing; remove it")
        sped_up = arrival_s if self.speed is None else arrival_s / self.speed
        if not (sped_up <= LATEST_S).all():
            sped = "" if self.speed is None else f" at speed {self.speed:g}"
            problem = f"arrival_s is {sped_up.max():g}{sped}"
            raise UserError(f"{last_place}: {problem}; give seconds from 0 to {LATEST_S:g}")
        return sped_up
