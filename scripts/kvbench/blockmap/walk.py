"""A side step by step: the tables after each step's changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


class Walk:
    """Block tables, holders of each cell and tokens of a side, at one step after the other."""

    def __init__(self, side: dict[str, Any]) -> None:
        self.side = side
        self.times = np.cumsum(side["t_us"])
        self.tables: dict[int, list[int]] = {}
        self.holders = [0] * side["cells"]
        self.used, self.step = 0, -1

    def steps(self) -> Iterator[list[tuple[int, int, int]]]:
        """Go through all steps; yield the changes of each before they are made."""
        for step, flat in enumerate(self.side["changes"]):
            changes = list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))
            self.step = step
            yield changes
            for change in changes:
                self._make(*change)

    def tokens(self, request: int, step: int | None = None) -> int:
        """Tokens of a request in the cache at a step (None: this one); -1: none."""
        step = self.step if step is None else step
        tokens = -1
        pairs = self.side["tokens"][request]
        for begin, value in zip(pairs[::2], pairs[1::2], strict=True):
            if begin > step:
                break
            tokens = value + step - begin if value >= 0 else -1
        return tokens

    @property
    def free(self) -> int:
        """Cells that no request holds."""
        return self.side["cells"] - self.used

    def _make(self, request: int, logical: int, cell: int) -> None:
        if logical < 0:
            for held in self.tables.pop(request, []):
                self._hold(held, -1)
            return
        table = self.tables.setdefault(request, [])
        if logical < len(table):
            self._hold(table[logical], -1)
            table[logical] = cell
        else:
            table.append(cell)
        self._hold(cell, 1)

    def _hold(self, cell: int, by: int) -> None:
        if cell >= 0:
            self.used += (self.holders[cell] + by > 0) - (self.holders[cell] > 0)
            self.holders[cell] += by
