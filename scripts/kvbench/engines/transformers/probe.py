"""Hooks that Transformers calls in each forward pass: they record when it ended and the size of the cache's tensors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria
from transformers.cache_utils import Cache


def cache_bytes(cache: Cache) -> int:
    """Bytes of the cache's tensors: each distinct storage once."""
    storages = (
        tensor.untyped_storage()
        for layer in cache.layers
        if layer.is_initialized
        for tensor in (layer.keys, layer.values)
    )
    return sum({s.data_ptr(): s.nbytes() for s in storages}.values())


def stored_tokens(keys: torch.Tensor) -> int:
    """Tokens per row in the storage of a layer's keys, shape (rows, heads, tokens, head size)."""
    rows, heads, _, channels = keys.shape
    return keys.untyped_storage().nbytes() // (rows * heads * channels * keys.itemsize)


class StepProbe(StoppingCriteria):
    """Ends each row at its own length and records every step; token k of a row comes from forward pass k.

    Rows without a request come after those of the requests and end after the first pass.

    `steps` holds one tuple per pass: (CLOCK_MONOTONIC ns, rows, bytes of the cache, tokens per row in one layer of each
    group: `firsts` are their numbers). What counts is the storage of a tensor, since a sliding layer shows less of it.
    """

    def __init__(
        self,
        cache: Cache,
        output_tokens: Sequence[int],
        empty_rows: int,
        tick: Callable[[int], None],
        device: Any,
        *,
        record: bool,
        firsts: Sequence[int] = (0,),
    ) -> None:
        self.cache, self.tick, self.record, self.firsts = cache, tick, record, firsts
        self.remaining = torch.tensor([*output_tokens, *[1] * empty_rows], device=device)
        # Tokens that pass k adds: one for each row that is not yet complete.
        self.wanted = [sum(o >= k for o in output_tokens) for k in range(1, max(output_tokens) + 1)]
        self.passes = 0
        self.steps: list[tuple[int, ...]] = []
        self.hook_ns = 0
        self.first_token_ns = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: object) -> torch.Tensor:
        if not self.first_token_ns:
            if input_ids.is_cuda:
                torch.cuda.synchronize(input_ids.device)
            self.first_token_ns = time.monotonic_ns()
        if self.record:
            self._note()
        if self.passes < len(self.wanted):
            self.tick(self.wanted[self.passes])
        self.passes += 1
        self.remaining -= 1
        return self.remaining <= 0

    def _note(self) -> None:
        begin = time.perf_counter_ns()
        widths = [stored_tokens(self.cache.layers[layer].keys) for layer in self.firsts]
        rows = self.cache.layers[self.firsts[0]].keys.shape[0]
        self.steps.append((time.monotonic_ns(), rows, cache_bytes(self.cache), *widths))
        self.hook_ns += time.perf_counter_ns() - begin


class MarginProbe(LogitsProcessor):
    """Keeps the gap between the top two logits of every step; rows x steps. Only for the parity reference."""

    def __init__(self) -> None:
        self.gaps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        top = torch.topk(scores, 2, dim=-1).values
        self.gaps.append((top[:, 0] - top[:, 1]).cpu())
        return scores
