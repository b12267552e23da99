"""Read a workload file as requests."""

from __future__ import annotations

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
        """Tokens stored at the end: the last token generated is never stored."""
        return self.prompt_tokens + self.output_tokens - 1


def read_workload(path: str | Path) -> list[Request]:
    """The requests of a workload file, in its order."""
    rows = read_parquet(path).to_pylist()
    return [Request(**{**row, "prompt_token_ids": tuple(row["prompt_token_ids"])}) for row in rows]
