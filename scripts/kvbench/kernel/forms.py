"""The ways in which the keys and values of a batch lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CONTIGUOUS, APART, PAGED = "contiguous", "contiguous, K and V apart", "paged"
ROWS = "contiguous, a row for each sequence"
IN_ORDER, SHUFFLED = "in order", "shuffled"


@dataclass(frozen=True)
class Form:
    """How K and V lie in memory. `page_tokens` and `order` are None for contiguous ones, which need no block table.

    contiguous                    sequences end to end, K and V of a token side by side, as in vLLM's cache
    contiguous, K and V apart     the same in two tensors
    contiguous, a row for each…   as many tokens of room for each sequence as for the longest, as a reservation has
    paged                         pages of a pool, found through a block table, which has them in order or shuffled;
                                  a page of `row` tokens holds a whole sequence
    """

    name: str
    page_tokens: int | None = None
    order: str | None = None

    @property
    def is_paged(self) -> bool:
        return self.name == PAGED


def forms(page_tokens: Sequence[int], row: int, *, latent: bool, rows: bool) -> list[Form]:
    """All forms for pages of these sizes and rows of `row` tokens.

    An MLA cache (`latent`) has no K and V to set apart. `rows`: whether the kernel takes rows without a block table.
    """
    contiguous = [Form(CONTIGUOUS), *([] if latent else [Form(APART)]), *([Form(ROWS)] if rows else [])]
    sizes = [size for size in sorted(page_tokens) if size < row]
    paged = [Form(PAGED, size, order) for order in (IN_ORDER, SHUFFLED) for size in sizes]
    return [*contiguous, Form(PAGED, row, IN_ORDER), *paged]


def row_tokens(page_tokens: Sequence[int], context: int) -> int:
    """The room of a sequence in the pool: `context` tokens in whole pages of the largest size."""
    largest = max(page_tokens)
    return -(-context // largest) * largest
