"""Changes of tables in a compact form: most blocks that an engine hands out are the next of its queue of free ones.

A queue of our own begins with all cells in order and gets the cells of each emptied table, last entry first, and those
given back inside a request, as vLLM's does. A cell is then written as its place in that queue, mostly 0. Whatever does
not fit is written out, so that any tables can be packed; an engine with another order only gains less.
"""

from __future__ import annotations

from typing import Any

EMPTIED, OTHER = -1, -2
FARTHEST = 64  # places that are looked at


class FreeQueue:
    """Cells in a ring of links; the last index is its beginning and end."""

    def __init__(self, cells: int) -> None:
        self.end = cells
        self.after = [*range(1, cells + 1), 0]
        self.before = [cells, *range(cells)]
        self.inside = [True] * cells

    def place(self, cell: int) -> int | None:
        """Where a cell is; None if it is not among the first FARTHEST."""
        if not 0 <= cell < self.end or not self.inside[cell]:
            return None
        found = self.after[self.end]
        for place in range(FARTHEST):
            if found == cell:
                return place
            found = self.after[found]
        return None

    def at(self, place: int) -> int:
        """The cell at a place."""
        found = self.after[self.end]
        for _ in range(place):
            found = self.after[found]
        return found

    def take(self, cell: int) -> None:
        """Remove a cell if it is there."""
        if 0 <= cell < self.end and self.inside[cell]:
            self.inside[cell] = False
            self._link(self.before[cell], self.after[cell])

    def give(self, cell: int) -> None:
        """Add a cell at the end if it is not there."""
        if 0 <= cell < self.end and not self.inside[cell]:
            self.inside[cell] = True
            last = self.before[self.end]
            self._link(last, cell)
            self._link(cell, self.end)

    def _link(self, first: int, second: int) -> None:
        self.after[first], self.before[second] = second, first


def packed(side: dict[str, Any]) -> dict[str, Any]:
    """The side with `packed` in place of `changes`; for rows, the side as it is."""
    if side["form"] == "rows":
        return side
    queue, tables = FreeQueue(side["cells"]), {}
    rest = {name: value for name, value in side.items() if name != "changes"}
    return rest | {"packed": [_pack(flat, queue, tables) for flat in side["changes"]]}


def unpacked(side: dict[str, Any]) -> dict[str, Any]:
    """The side with `changes` again."""
    if "packed" not in side:
        return side
    queue, tables = FreeQueue(side["cells"]), {}
    rest = {name: value for name, value in side.items() if name != "packed"}
    return rest | {"changes": [_unpack(flat, queue, tables) for flat in side["packed"]]}


def _pack(flat: list[int], queue: FreeQueue, tables: dict[int, list[int]]) -> list[int]:
    found, last = [], 0
    for request, logical, cell in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        found.append(request - last)
        last = request
        place = queue.place(cell) if logical == len(tables.get(request, ())) else None
        if logical < 0:
            found.append(EMPTIED)
        elif place is not None:
            found.append(place)
        else:
            found += [OTHER, logical, cell]
        _follow(request, logical, cell, queue, tables)
    return found


def _unpack(flat: list[int], queue: FreeQueue, tables: dict[int, list[int]]) -> list[int]:
    found: list[int] = []
    values, request = iter(flat), 0
    for difference in values:
        request += difference
        place = next(values)
        if place == EMPTIED:
            logical, cell = -1, -1
        elif place == OTHER:
            logical, cell = next(values), next(values)
        else:
            logical, cell = len(tables.get(request, ())), queue.at(place)
        found += [request, logical, cell]
        _follow(request, logical, cell, queue, tables)
    return found


def _follow(request: int, logical: int, cell: int, queue: FreeQueue, tables: dict[int, list[int]]) -> None:
    """Make a change: a cell that a table takes leaves the queue; one that it gives back, and those of an emptied table,
    last first, come to its end."""
    if logical < 0:
        for held in reversed(tables.pop(request, [])):
            queue.give(held)
        return
    queue.take(cell)
    table = tables.setdefault(request, [])
    if cell < 0 and logical < len(table):
        queue.give(table[logical])
    table[logical : logical + 1] = [cell]
