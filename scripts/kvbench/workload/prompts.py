"""Prompts of given lengths in tokens: cut from seeded text, or random ids if the model has no tokenizer."""

from __future__ import annotations

import numpy as np

from kvbench.workload.draws import below, stream
from kvbench.workload.sentences import paragraph
from kvbench.workload.vocabulary import Tokenizer, Vocabulary

LONGEST_STREAM = 1 << 20
SENTENCES = 64


def make_prompts(
    lengths: np.ndarray, vocabulary: Vocabulary, seed: int, name: str
) -> tuple[list[np.ndarray], list[str | None]]:
    """Prompts of the given lengths in tokens: their ids (int32) and their text, None without a tokenizer.

    The ids include no special ids. The prompts are consecutive parts of one stream of text, so that no two begin
    alike (after 2^20 tokens the stream repeats).
    """
    total = int(lengths.sum())
    bits = stream(seed, name, "prompts")
    if vocabulary.tokenizer is None:
        ids = random_ids(bits, total, vocabulary)
    else:
        ids = text_ids(bits, min(total, LONGEST_STREAM), vocabulary.tokenizer, vocabulary.special)
    ends = np.cumsum(lengths)
    prompts = [np.take(ids, np.arange(end - n, end), mode="wrap") for n, end in zip(lengths, ends, strict=True)]
    texts = vocabulary.tokenizer.decode(prompts) if vocabulary.tokenizer else [None] * len(prompts)
    return prompts, texts


def random_ids(bits: np.random.PCG64, n: int, vocabulary: Vocabulary) -> np.ndarray:
    """`n` ids drawn uniformly from those that are not special, int32."""
    allowed = np.setdiff1d(np.arange(vocabulary.size), list(vocabulary.special))
    return allowed[below(bits, len(allowed), n)].astype(np.int32)


def text_ids(bits: np.random.PCG64, n: int, tokenizer: Tokenizer, special: frozenset[int]) -> np.ndarray:
    """The first `n` ids of a stream of sentences, int32."""
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < n:
        [ids] = tokenizer.encode([paragraph(bits, SENTENCES) + "\n"], special=False)
        parts.append(np.array([i for i in ids if i not in special], dtype=np.int32))
    return np.concatenate(parts)[:n] if parts else np.empty(0, dtype=np.int32)
