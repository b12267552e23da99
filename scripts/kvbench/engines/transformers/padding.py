"""Input ids of a padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kvbench.engines.transformers.batches import longest_prompt
from kvbench.workload.read import Request


def left_padded(batch: Sequence[Request], empty_rows: int, pad: int, device: Any) -> tuple[Any, Any]:
    """Left-padded input ids and attention mask, both (B + empty rows, max p).

    A row without a request attends to one token, because attention over no token gives NaN.
    """
    import torch

    width = longest_prompt(batch)
    ids = [[pad] * (width - len(r.prompt_token_ids)) + list(r.prompt_token_ids) for r in batch]
    mask = [[0] * (width - len(r.prompt_token_ids)) + [1] * len(r.prompt_token_ids) for r in batch]
    ids += [[pad] * width] * empty_rows
    mask += [[0] * (width - 1) + [1]] * empty_rows
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
