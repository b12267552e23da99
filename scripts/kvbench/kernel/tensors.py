"""Random keys, values and queries of a shape, in every form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from kvbench.kernel.forms import APART, CONTIGUOUS, ROWS, SHUFFLED, Form
from kvbench.kernel.shapes import Shape


@dataclass(frozen=True)
class Cache:
    """K and V as a kernel gets them; `table` [batch, pages of a row] is None for contiguous forms."""

    keys: torch.Tensor
    values: torch.Tensor
    table: torch.Tensor | None = None


class Tensors:
    """One pool that all paged forms share, and the same tokens end to end.

    pool      [batch · row, KV heads, channels]: row `i` has the tokens of sequence `i` and then unused room
    packed    [tokens, KV heads, channels]
    queries   [query tokens, query heads, key dimension]

    All values are uniform in [-1, 1), so that no output is beyond 1. In a shuffled form a sequence has other pages of
    the pool than in order, and so other tokens: the reference is computed from what its table names.
    """

    def __init__(self, shape: Shape, row: int, dtype: torch.dtype, device: str, seed: int) -> None:
        self.shape, self.row, self.seed = shape, row, seed
        self.lengths = shape.lengths(seed)
        self.query_lengths = shape.queries(self.lengths)
        random = torch.Generator(device).manual_seed(seed)
        heads, total = shape.heads, shape.batch * row
        like = {"dtype": dtype, "device": device}
        self.pool = torch.empty(total, heads.kv_heads, heads.channels, **like).uniform_(-1, 1, generator=random)
        asked = int(self.query_lengths.sum())
        self.queries = torch.empty(asked, heads.query_heads, heads.key_dim, **like).uniform_(-1, 1, generator=random)
        self.out = torch.empty(asked, heads.query_heads, heads.value_dim, **like)

    @staticmethod
    def bytes(shape: Shape, row: int, itemsize: int, seed: int) -> int:
        """Bytes of all tensors of a shape on the device."""
        lengths = shape.lengths(seed)
        token = shape.heads.token_bytes(itemsize)
        copies = 1 if shape.heads.latent else 2
        asked = int(shape.queries(lengths).sum()) * shape.heads.query_heads
        queries = asked * (shape.heads.key_dim + shape.heads.value_dim) * itemsize
        return (shape.batch * row + copies * int(lengths.sum())) * token + queries

    @cached_property
    def packed(self) -> torch.Tensor:
        rows = self.pool.unflatten(0, (self.shape.batch, self.row))
        return torch.cat([rows[i, :n] for i, n in enumerate(self.lengths)])

    @cached_property
    def apart(self) -> tuple[torch.Tensor, torch.Tensor]:
        heads = self.shape.heads
        return self.packed[..., heads.keys].contiguous(), self.packed[..., heads.values].contiguous()

    def cache(self, form: Form) -> Cache:
        """K and V in a form; those of paged forms are [pages, page, KV heads, dimension], without a copy."""
        heads = self.shape.heads
        if form.name == APART:
            return Cache(*self.apart)
        if form.name == CONTIGUOUS:
            return Cache(self.packed[..., heads.keys], self.packed[..., heads.values])
        if form.name == ROWS:
            rows = self.pool.unflatten(0, (-1, self.row))
            return Cache(rows[..., heads.keys], rows[..., heads.values])
        pages = self.pool.unflatten(0, (-1, form.page_tokens))
        return Cache(pages[..., heads.keys], pages[..., heads.values], self._table(form))

    def _table(self, form: Form) -> torch.Tensor:
        count = len(self.pool) // form.page_tokens
        pages = np.arange(count)
        if form.order == SHUFFLED:
            pages = np.random.default_rng([self.seed, form.page_tokens]).permutation(count)
        return torch.from_numpy(pages.astype(np.int32)).to(self.pool.device).view(self.shape.batch, -1)

    def offsets(self, lengths: np.ndarray) -> torch.Tensor:
        """Where each sequence begins among all tokens, and the end: int32 [batch + 1]."""
        return torch.from_numpy(np.concatenate([[0], lengths.cumsum()]).astype(np.int32)).to(self.pool.device)

    def counts(self) -> torch.Tensor:
        """Tokens of each sequence: int32 [batch]."""
        return torch.from_numpy(self.lengths.astype(np.int32)).to(self.pool.device)
