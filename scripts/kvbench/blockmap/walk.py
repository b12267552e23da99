"""A side step by step: the tables after each step's changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


class Walk:
    """Block tables by number, holders of each cell and tokens of a side, at one step after the other."""

    def __init__(self, side: dict[str, Any]) -> None:
        self.side = side
        self.times = np.cumsum(side["t_us"])
        self.each = len(side.get("tables", (None,)))  # block tables of a request
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

    def request(self, table: int) -> int:
        """The request of a table."""
        return table // self.each

    def pages(self, table: int, cell: int) -> range:
        """The cells of a block of a table that begins with a cell; none for one that was given back."""
        count = self.side["tables"][table % self.each]["pages"] if "tables" in self.side else 1
        return range(cell, cell + count) if cell >= 0 else range(0)

    def cells(self, request: int) -> list[int]:
        """What a request holds in all its tables."""
        tables = range(request * self.each, (request + 1) * self.each)
        return [page for table in tables for cell in self.tables.get(table, ()) for page in self.pages(table, cell)]

    def taken(self, request: int, changes: list[tuple[int, int, int]]) -> list[int]:
        """The cells that a request takes with these changes."""
        own = (change for change in changes if self.request(change[0]) == request)
        return [page for table, _, cell in own for page in self.pages(table, cell)]

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

    def _make(self, number: int, logical: int, cell: int) -> None:
        if logical < 0:
            for held in self.tables.pop(number, []):
                self._hold(self.pages(number, held), -1)
            return
        table = self.tables.setdefault(number, [])
        if logical < len(table):
            self._hold(self.pages(number, table[logical]), -1)
            table[logical] = cell
        else:
            table.append(cell)
        self._hold(self.pages(number, cell), 1)

    def _hold(self, cells: range, by: int) -> None:
        for cell in cells:
            self.used += (self.holders[cell] + by > 0) - (self.holders[cell] > 0)
            self.holders[cell] += by
