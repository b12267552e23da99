"""A plain reference of vLLM's block pool with prefix caching, for requests that are served one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Text = tuple[int, ...]


def hits_one_by_one(requests: Iterable[tuple[Sequence[int], Sequence[int]]], pool: int, size: int) -> list[int]:
    """Prompt tokens found by each request, given as the token ids of its prompt and of its output.

    The free list is in the order in which blocks are taken; a block is the text up to its end, or None if it is not
    cached. A text that is computed again is cached twice.
    """
    free: list[Text | None] = [None] * pool
    hits = []
    for prompt, output in requests:
        stored = (*prompt, *output)[:-1]
        texts = [tuple(stored[:end]) for end in range(size, len(stored) + 1, size)]
        held = []
        for text in texts[: (len(prompt) - 1) // size]:
            if text not in free:
                break
            free.remove(text)
            held.append(text)
        hits.append(len(held) * size)
        taken = -(-len(stored) // size) - len(held)
        assert taken <= len(free), "the pool cannot hold the request"
        free = free[taken:]
        tail = [None] * (len(stored) % size > 0)
        free = [*tail, *free, *reversed(texts)]
    return hits
