"""The split of a contiguous cache from the shapes seen at each forward pass and the requests' lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.split import Slots, Split, final_kv_length, split_rows


@dataclass(frozen=True)
class BatchRecord:
    """One padded batch: B requests, one row each, and K forward passes, each adding one token per row.

    `width` is the width of the cache's tensors after each pass, in slots per row, `tensor_bytes` their storage.
    """

    request_ids: tuple[str, ...]  # B
    prompt_tokens: NDArray[np.int64]  # (B,)
    output_tokens: NDArray[np.int64]  # (B,)
    t_ns: NDArray[np.int64]  # (K,)
    width: NDArray[np.int64]  # (K,)
    rows: NDArray[np.int64]  # (K,) rows of the cache's tensors
    tensor_bytes: NDArray[np.int64]  # (K,)
    start_ns: int
    end_ns: int
    empty_rows: int = 0  # rows without a request: unused pool


def split_batch(batch: BatchRecord) -> Split:
    """The split at each pass, shape (K,). At pass k (from 1) a request has stored p + k - 1 tokens."""
    step = np.arange(1, len(batch.t_ns) + 1)[:, None]
    prompt, output = batch.prompt_tokens[None, :], batch.output_tokens[None, :]
    ended = step > output
    padding = np.broadcast_to(prompt.max() - prompt, ended.shape)
    split = split_rows(batch.width[:, None], padding, prompt + step - 1, final_kv_length(prompt, output), ended)
    return split.sum(axis=1)


def running_rows(batch: BatchRecord) -> Slots:
    """Requests not yet ended at each pass, shape (K,)."""
    step = np.arange(1, len(batch.t_ns) + 1)[:, None]
    return (step <= batch.output_tokens[None, :]).sum(axis=1)


def scheduled_tokens(batch: BatchRecord) -> Slots:
    """Tokens of requests computed in each pass, shape (K,): the prompts first, then one per running row."""
    tokens = running_rows(batch)
    tokens[:1] = batch.prompt_tokens.sum()
    return tokens
