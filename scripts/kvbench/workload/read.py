"""Reads a workload file as requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kvbench.files import read_parquet


@dataclass(frozen=True)
class Request:
    """One request: its prompt, the number of tokens to generate, its arrival in seconds after the start."""

    request_id: str
    text: str | None
    prompt_token_ids: tuple[int, ...]
    output_tokens: int
    arrival_s: float

    @property
    def prompt_tokens(self) -> int:
        return len(self.prompt_token_ids)

    @property
    def final_kv_tokens(self) -> int:
        """Tokens in the KV cache at the end: the last generated token is never stored."""
        return self.prompt_tokens + self.output_tokens - 1


def read_workload(path: str | Path) -> list[Request]:
    """The requests of a workload file, in its order."""
    rows = read_parquet(path).to_pylist()
    return [Request(**{**row, "prompt_token_ids": tuple(row["prompt_token_ids"])}) for row in rows]


def content_digest(requests: Iterable[Request]) -> str:
    """Digest of what engines are given, in order: token ids of the prompts and numbers of tokens to generate.

    The file's bytes are not hashed because they change with the version of the Parquet writer.
    """
    digest = hashlib.sha256()
    for request in requests:
        digest.update(json.dumps([request.prompt_token_ids, request.output_tokens]).encode())
    return digest.hexdigest()[:16]
