"""Bytes that each KV group keeps of a request, by its length."""

from __future__ import annotations

from kvbench.kv.groups import Groups, LayerGroup


def group_bytes(groups: Groups, itemsize: int, tokens: int) -> list[int]:
    """Bytes that each group keeps of a request of `tokens` tokens: those of a token · the tokens in its window."""
    return [group.token_elements * itemsize * group.stored(tokens) for group in groups]


def group_slope(group: LayerGroup, itemsize: int, tokens: int) -> int:
    """Bytes that the group grows by with the next token after `tokens`: 0 once the window is full."""
    full = group.window is not None and tokens >= group.window
    return 0 if full else group.token_elements * itemsize
