"""Reads a side of a block map the way docs/block-map.md says, slot by slot and without kvbench's arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PARTS = ("live", "reserved", "internal", "padding", "finished")
Tables = dict[int, list[int]]


def tables_of(side: dict[str, Any]) -> Iterator[Tables]:
    """The block tables after each step."""
    tables: Tables = {}
    for flat in side["changes"]:
        for request, logical, cell in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
            if logical < 0:
                tables.pop(request, None)
            else:
                table = tables.setdefault(request, [])
                assert logical <= len(table), "a gap in a block table"
                table[logical : logical + 1] = [cell]
        yield {request: list(table) for request, table in tables.items()}


def last_value(pairs: list[int], step: int) -> tuple[int, int] | None:
    """The last pair that begins at a step or before."""
    found = None
    for begin, value in zip(pairs[::2], pairs[1::2], strict=True):
        found = (begin, value) if begin <= step else found
    return found


def tokens_of(side: dict[str, Any], request: int, step: int) -> int:
    """Tokens of a request in the cache at a step; -1: none."""
    pair = last_value(side["tokens"][request], step)
    return -1 if pair is None or pair[1] < 0 else pair[1] + step - pair[0]


def counts_of(side: dict[str, Any]) -> list[dict[str, int]]:
    """Running, waiting and slots of each step."""
    done: set[int] = set()
    found = []
    before: Tables = {}
    for step, tables in enumerate(tables_of(side)):
        ended = {request for request in tables if _has_ended(side, request, step)}
        done |= {r for r in _lost(side, step) if _reached(side, r, step)}
        served = {r for r, pairs in enumerate(side["tokens"]) if pairs and side.get("arrives", {r: 0})[r] <= step}
        counts = {"running": len(tables) - len(ended), "waiting": len(served - done - set(tables))}
        found.append(counts | _slots(side, tables, ended, step))
        before = tables
    assert not before, "something is held at the end"
    return found


def recorded_of(side: dict[str, Any]) -> list[dict[str, int]]:
    """What the document says was recorded in each step, under the names of `counts_of`."""
    names = ("running", "waiting", *PARTS)
    return [dict(zip(names, values, strict=True)) for values in zip(*(side[name] for name in names), strict=True)]


def _lost(side: dict[str, Any], step: int) -> list[int]:
    return [
        r for r, pairs in enumerate(side["tokens"]) if [step, -1] in [pairs[i : i + 2] for i in range(0, len(pairs), 2)]
    ]


def _reached(side: dict[str, Any], request: int, step: int) -> bool:
    return tokens_of(side, request, step - 1) >= side["final"][request]


def _has_ended(side: dict[str, Any], request: int, step: int) -> bool:
    tokens = tokens_of(side, request, step)
    return tokens < 0 or tokens > side["final"][request]


def _slots(side: dict[str, Any], tables: Tables, ended: set[int], step: int) -> dict[str, int]:
    slots: dict[tuple[int, int], str] = {}
    for request in sorted(tables, key=lambda request: request in ended):
        for logical, cell in enumerate(tables[request]):
            size = side["width"][step] if side["form"] == "rows" else side["cell_slots"]
            for place in range(size):
                part = _part(side, request, logical * size + place, ended, len(ended) < len(tables), step)
                old = slots.get((cell, place))
                if old is None or PARTS.index(part) < PARTS.index(old) or part == "finished":
                    slots[cell, place] = part
    return {part: sum(1 for found in slots.values() if found == part) for part in PARTS}


def _part(side: dict[str, Any], request: int, slot: int, ended: set[int], others: bool, step: int) -> str:
    if request in ended:
        hits = last_value(side["hits"][request], step) if "hits" in side else None
        found = others and hits is not None and slot < hits[1] * side["cell_slots"]
        return "live" if found else "finished"
    padding = side["pads"][request] if side["form"] == "rows" else 0
    if slot < padding:
        return "padding"
    if slot - padding < tokens_of(side, request, step):
        return "live"
    return "reserved" if slot - padding < side["final"][request] else "internal"
