"""What one call of an attention kernel computes: heads, phase, context and batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

DECODE, PREFILL = "decode", "prefill"


@dataclass(frozen=True)
class Heads:
    """A head layout. A cached token has `channels` values for each KV head, as vLLM stores them.

    With multi-head and grouped-query attention these are its key, then its value. With multi-head latent attention
    (MLA, arXiv 2405.04434) they are the latent, which is both value and first part of the key, then the key's rotary
    part; `rope_dim` is 0 without MLA.
    """

    name: str
    query_heads: int
    kv_heads: int
    value_dim: int
    rope_dim: int = 0

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any]) -> Heads:
        """The layout of an entry of `paging_price.layouts` in config.yaml."""
        if settings["kind"] == "mla":
            return cls(name, settings["heads"], 1, settings["kv_lora_rank"], settings["rope_dim"])
        return cls(name, settings["heads"], settings["kv_heads"], settings["head_dim"])

    @property
    def latent(self) -> bool:
        return self.rope_dim > 0

    @property
    def channels(self) -> int:
        return self.value_dim + (self.rope_dim if self.latent else self.value_dim)

    @property
    def keys(self) -> slice:
        """The channels of the key."""
        return slice(0, self.channels) if self.latent else slice(0, self.value_dim)

    @property
    def values(self) -> slice:
        """The channels of the value."""
        return slice(0, self.value_dim) if self.latent else slice(self.value_dim, self.channels)

    @property
    def key_dim(self) -> int:
        return self.keys.stop

    def token_bytes(self, itemsize: int) -> int:
        """Bytes of a cached token in one layer."""
        return self.kv_heads * self.channels * itemsize


@dataclass(frozen=True)
class Shape:
    """A call for `batch` sequences of up to `context` tokens; queries are all tokens (prefill) or the last (decode)."""

    phase: str
    heads: Heads
    context: int
    batch: int

    def lengths(self, seed: int) -> np.ndarray:
        """Tokens of each sequence: the first has `context`, the others between half of it and all, uniformly."""
        rng = np.random.default_rng(seed)
        drawn = rng.integers(self.context // 2, self.context, size=self.batch, endpoint=True)
        drawn[0] = self.context
        return drawn.astype(np.int64)

    def queries(self, lengths: np.ndarray) -> np.ndarray:
        """Query tokens of each sequence."""
        return lengths if self.phase == PREFILL else np.ones_like(lengths)

    def moved_bytes(self, lengths: np.ndarray, itemsize: int) -> int:
        """Bytes that the call must read and write at least: cached tokens, queries and outputs, each once."""
        q_dim, heads = self.heads.key_dim + self.heads.value_dim, self.heads.query_heads
        queries = int(self.queries(lengths).sum()) * heads * q_dim * itemsize
        return int(lengths.sum()) * self.heads.token_bytes(itemsize) + queries

    def flops(self, lengths: np.ndarray) -> int:
        """Floating-point operations of both matrix products under a causal mask; a multiply-add counts as two."""
        n, q = lengths, self.queries(lengths)
        pairs = int((q * n - q * (q - 1) // 2).sum())
        return 2 * pairs * self.heads.query_heads * (self.heads.key_dim + self.heads.value_dim)


def names(shape: Shape) -> dict[str, Any]:
    """The columns that name a shape."""
    heads = shape.heads
    return {
        "phase": shape.phase,
        "layout": heads.name,
        "query_heads": heads.query_heads,
        "kv_heads": heads.kv_heads,
        "value_dim": heads.value_dim,
        "context_tokens": shape.context,
        "batch": shape.batch,
    }


def shapes(settings: Mapping[str, Any]) -> Iterator[Shape]:
    """The shapes that `paging_price` of config.yaml asks for.

    A prefill step takes as many whole prompts as `prefill_tokens` allow, at least one. vLLM prefills MLA from keys and
    values that it has just computed and not from the cache, so there is no prefill of a latent layout.
    """
    for name, own in settings["layouts"].items():
        heads = Heads.of(name, own)
        for context in settings["contexts_tokens"]:
            for batch in settings["batches"]:
                yield Shape(DECODE, heads, context, batch)
            if not heads.latent:
                yield Shape(PREFILL, heads, context, max(1, settings["prefill_tokens"] // context))
