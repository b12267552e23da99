"""The split of a contiguous cache from the shapes seen at each forward pass and the requests' lengths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.groups import FULL, LayerGroup, units
from kvbench.kv.split import Slots, Split, final_kv_length, split_rows

PLAIN_LAYERS = (LayerGroup(FULL, 1, 1),)


@dataclass(frozen=True)
class BatchRecord:
    """One padded batch: B requests, one row each, and K forward passes, each adding one token per row.

    `width` is the width of the cache's tensors after each pass, in tokens per row: of each of G groups of layers, or of
    the only one with shape (K,). `tensor_bytes` is the storage of all of them.
    """

    request_ids: tuple[str, ...]  # B
    prompt_tokens: NDArray[np.int64]  # (B,)
    output_tokens: NDArray[np.int64]  # (B,)
    t_ns: NDArray[np.int64]  # (K,)
    width: NDArray[np.int64]  # (K, G)
    rows: NDArray[np.int64]  # (K,) rows of the cache's tensors
    tensor_bytes: NDArray[np.int64]  # (K,)
    start_ns: int
    end_ns: int
    empty_rows: int = 0  # rows without a request: unused pool
    groups: tuple[LayerGroup, ...] = PLAIN_LAYERS

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", self.width.reshape(len(self.t_ns), -1))

    @property
    def row_slots(self) -> Slots:
        """Slots of a row in all layers after each pass, shape (K,)."""
        return self.width @ np.array(units(self.groups), np.int64)


def split_batch(batch: BatchRecord) -> Split:
    """The split at each pass over all groups, shape (K,)."""
    return reduce(Split.plus, split_by_group(batch))


def split_by_group(batch: BatchRecord) -> list[Split]:
    """The split at each pass of each group, shape (K,). At pass k (from 1) a request has stored p + k - 1 tokens."""
    step = np.arange(1, len(batch.t_ns) + 1)[:, None]
    prompt, output = batch.prompt_tokens[None, :], batch.output_tokens[None, :]
    ended = step > output
    padding = np.broadcast_to(prompt.max() - prompt, ended.shape)
    final = final_kv_length(prompt, output)
    found = []
    for group, width, own in zip(batch.groups, batch.width.T, units(batch.groups), strict=True):
        split = split_rows(width[:, None], padding, prompt + step - 1, final, ended, group.window)
        found.append(split.sum(axis=1).times(own))
    return found


def dynamic_width(group: LayerGroup, prompt_tokens: int, passes: Slots) -> Slots:
    """Tokens per row in the tensors of a growing cache after each of `passes` (from 0) with a prompt padded to that.

    Transformers keeps the last window - 1 tokens of a sliding layer, in the tensor to which it appended the newest:
    what that tensor holds before them is freed with the next pass.
    """
    if group.window is None:
        return prompt_tokens + passes
    return np.where(passes == 0, prompt_tokens, np.minimum(prompt_tokens + passes - 1, group.window - 1) + 1)


def longest_row(max_length: int, max_context: int | None, *, static: bool) -> int:
    """Tokens that a row of a padded batch may reach, its padding included.

    A row of a static cache has `max_length` slots. A growing cache has no limit but the model's positions,
    `max_context`; where these are unknown, `max_length` stands for them.
    """
    return max_length if static or max_context is None else max_context


def running_rows(batch: BatchRecord) -> Slots:
    """Requests not yet ended at each pass, shape (K,)."""
    step = np.arange(1, len(batch.t_ns) + 1)[:, None]
    return (step <= batch.output_tokens[None, :]).sum(axis=1)


def scheduled_tokens(batch: BatchRecord) -> Slots:
    """Tokens of requests computed in each pass, shape (K,): the prompts first, then one per running row."""
    tokens = running_rows(batch)
    tokens[:1] = batch.prompt_tokens.sum()
    return tokens
