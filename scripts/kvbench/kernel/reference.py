"""Attention in float32, written down plainly, and how far a kernel's output is from it."""

from __future__ import annotations

import torch

from kvbench.kernel.forms import Form
from kvbench.kernel.shapes import PREFILL
from kvbench.kernel.tensors import Tensors

# Bytes of the scores and of the K and V that are converted at once.
CHUNK_BYTES = 1 << 29


def scale(tensors: Tensors) -> float:
    """The factor on the scores: 1 / sqrt(key dimension)."""
    return tensors.shape.heads.key_dim**-0.5


def reference(tensors: Tensors, form: Form) -> torch.Tensor:
    """Causal attention over what the form names: float32 [query tokens, query heads, value dimension].

    softmax(Q Kᵀ · scale) V with the mask aligned to the last token (arXiv 1706.03762, Section 3.2).
    """
    out = torch.empty(tensors.out.shape, dtype=torch.float32, device=tensors.out.device)
    begins = tensors.query_lengths.cumsum() - tensors.query_lengths
    for first, count in _groups(tensors):
        rows = slice(first, first + count)
        tokens = _tokens(tensors, form, rows)
        if count == 1:
            _one(tensors, tokens[0], first, out[begins[first] : begins[first] + tensors.query_lengths[first]])
        else:
            out[rows] = _decoded(tensors, tokens, rows)
    return out


def _groups(tensors: Tensors) -> list[tuple[int, int]]:
    """First sequence and number of sequences of each group that is computed at once."""
    batch = tensors.shape.batch
    if tensors.shape.phase == PREFILL:
        return [(i, 1) for i in range(batch)]
    row_bytes = 4 * tensors.row * tensors.shape.heads.kv_heads * tensors.shape.heads.channels
    size = max(1, CHUNK_BYTES // row_bytes)
    return [(i, min(size, batch - i)) for i in range(0, batch, size)]


def _tokens(tensors: Tensors, form: Form, rows: slice) -> torch.Tensor:
    """Cached tokens of some sequences, read as the form says: float32 [sequences, row, KV heads, channels]."""
    table = tensors.cache(form).table if form.is_paged else None
    if table is None:
        return tensors.pool.unflatten(0, (-1, tensors.row))[rows].float()
    pages = tensors.pool.unflatten(0, (-1, form.page_tokens))
    return pages[table[rows]].flatten(1, 2).float()


def _decoded(tensors: Tensors, tokens: torch.Tensor, rows: slice) -> torch.Tensor:
    """The last token of several sequences: [sequences, query heads, value dimension]."""
    heads = tensors.shape.heads
    q = tensors.queries[rows].float().unflatten(1, (heads.kv_heads, -1))
    scores = torch.einsum("bkgd,bnkd->bkgn", q, tokens[..., heads.keys]) * scale(tensors)
    n = tensors.counts()[rows].long()
    beyond = torch.arange(tensors.row, device=scores.device) >= n[:, None]
    shares = scores.masked_fill(beyond[:, None, None], float("-inf")).softmax(-1)
    return torch.einsum("bkgn,bnkd->bkgd", shares, tokens[..., heads.values]).flatten(1, 2)


def _one(tensors: Tensors, tokens: torch.Tensor, number: int, out: torch.Tensor) -> None:
    """All queries of one sequence, some at a time, into `out` [queries, query heads, value dimension]."""
    heads, n, asked = tensors.shape.heads, int(tensors.lengths[number]), len(out)
    begin = int(tensors.query_lengths[:number].sum())
    keys, values = tokens[:n, :, heads.keys], tokens[:n, :, heads.values]
    size = max(1, CHUNK_BYTES // (4 * n * heads.query_heads))
    for first in range(0, asked, size):
        last = min(first + size, asked)
        q = tensors.queries[begin + first : begin + last].float().unflatten(1, (heads.kv_heads, -1))
        scores = torch.einsum("qkgd,nkd->kgqn", q, keys) * scale(tensors)
        place = torch.arange(n - asked + first, n - asked + last, device=scores.device)
        later = torch.arange(n, device=scores.device) > place[:, None]
        shares = scores.masked_fill(later, float("-inf")).softmax(-1)
        out[first:last] = torch.einsum("kgqn,nkd->qkgd", shares, values).flatten(1, 2)


def largest_error(out: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest absolute difference; infinite if an output is not a number."""
    difference = (out.float() - expected).abs().max().item()
    return difference if difference == difference else float("inf")


def tolerance(dtype: torch.dtype) -> float:
    """The largest error that rounding explains: 1e-3 in float16, in other types in proportion to their precision."""
    return 1e-3 * torch.finfo(dtype).eps / torch.finfo(torch.float16).eps
