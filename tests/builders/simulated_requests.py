"""Requests of synthetic runs: their lengths and the output tokens, the same for every engine."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Request:
    id: str
    prompt: int
    output: int

    @property
    def final(self) -> int:
        return self.prompt + self.output - 1

    def token(self, position: int) -> int:
        return zlib.crc32(f"{self.id}/{position}".encode()) % 49_152


def make_requests(count: int, seed: int = 0) -> list[Request]:
    rng = np.random.default_rng(seed)
    prompts = np.clip(rng.lognormal(4, 0.8, count), 4, 300).astype(int)
    outputs = np.clip(rng.lognormal(3.7, 0.6, count), 4, 160).astype(int)
    return [Request(f"r{i:03d}", int(p), int(o)) for i, (p, o) in enumerate(zip(prompts, outputs, strict=True))]
