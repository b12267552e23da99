"""Which blocks of tokens a pool holds, from the block tables of its requests, and what a new request could find."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Container, Sequence

from kvbench.kv.groups import PagedGroup

Tokens = tuple[int, ...]
Key = tuple[int, int]  # block table, and the number of a beginning that fills whole blocks
ROOT = -1


class Beginnings:
    """Beginnings of token sequences in blocks of `size`, each with a number: equal beginnings have equal numbers."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.numbers: dict[tuple[int, Tokens], int] = {}
        self.after: dict[int, list[Tokens]] = {}  # what follows a beginning in the added sequences, sorted

    def whole(self, tokens: Tokens) -> list[int]:
        """The numbers of the beginnings of `tokens` that end with a whole block."""
        found, last = [], ROOT
        for begin in range(0, len(tokens) - self.size + 1, self.size):
            last = self.numbers.setdefault((last, tokens[begin : begin + self.size]), len(self.numbers))
            found.append(last)
        return found

    def add(self, tokens: Tokens) -> None:
        """Compare later sequences with these tokens too."""
        last = ROOT
        for begin in range(0, len(tokens), self.size):
            part, known = tokens[begin : begin + self.size], self.after.setdefault(last, [])
            at = bisect_left(known, part)
            if known[at : at + 1] != [part]:
                known.insert(at, part)
            last = self.numbers.setdefault((last, part), len(self.numbers))

    def alike(self, tokens: Tokens) -> int:
        """The longest common beginning of `tokens` and any added sequence, in tokens.

        Among sorted sequences the longest one is with a neighbour.
        """
        last = ROOT
        for begin in range(0, len(tokens), self.size):
            part, known = tokens[begin : begin + self.size], self.after.get(last, [])
            at = bisect_left(known, part)
            most = max((_common(part, other) for other in known[max(at - 1, 0) : at + 1]), default=0)
            if most < self.size:
                return begin + most
            last = self.numbers[last, part]
        return len(tokens)


def _common(a: Tokens, b: Tokens) -> int:
    return next((at for at, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))


class Pool:
    """What the blocks of a pool hold. A block keeps it after its request has ended, until it is given to another."""

    def __init__(self, groups: Sequence[PagedGroup], size: int) -> None:
        self.groups, self.size = groups, size
        self.held: dict[int, Key | None] = {}  # by block; None: not full
        self.copies: Counter[Key] = Counter()
        self.kept: set[Key] = set()  # what was ever held so that it could be found
        self.computed: set[Key] = set()  # that, and what was computed without being kept

    def put(self, block: int, key: Key | None) -> None:
        """A block now holds `key`, or, with None, the beginning of something."""
        before = self.held.get(block)
        if before is not None and before != key:
            self.copies[before] -= 1
        if key is not None and before != key:
            self.copies[key] += 1
            self.kept.add(key)
            self.computed.add(key)
        self.held[block] = key

    def findable(self, beginnings: Sequence[int], most: int, among: Container[Key] | None = None) -> int:
        """Blocks from the beginning of a prompt that can be found, at most `most`; `among`: if these were there.

        A table of full attention needs all of them. One with a window needs those that the next token attends to, or
        all of them. As `find_longest_cache_hit` in
        https://github.com/vllm-project/vllm/blob/v0.32.0/vllm/v1/core/single_type_kv_cache_manager.py.
        """
        blocks = self.without_windows(beginnings, most, among)
        return next((end for end in range(blocks, 0, -1) if self._windows_there(beginnings, end, among)), 0)

    def without_windows(self, beginnings: Sequence[int], most: int, among: Container[Key] | None = None) -> int:
        """Blocks that the tables of full attention alone would let be found."""
        blocks = most
        for table, group in enumerate(self.groups):
            if group.window is None:
                there = (self._has((table, beginnings[at]), among) for at in range(blocks))
                blocks = next((at for at, has in enumerate(there) if not has), blocks)
        return blocks

    def _windows_there(self, beginnings: Sequence[int], end: int, among: Container[Key] | None) -> bool:
        return all(
            self._has((table, beginnings[at]), among)
            for table, group in enumerate(self.groups)
            if group.window is not None
            for at in range(max(0, end - window_blocks(group.window, self.size)), end)
        )

    def _has(self, key: Key, among: Container[Key] | None) -> bool:
        return self.copies[key] > 0 if among is None else key in among


def window_blocks(window: int, size: int) -> int:
    """Blocks that hold what the next token attends to beside itself, where the tokens before it end with a block."""
    return -(-(window - 1) // size)
