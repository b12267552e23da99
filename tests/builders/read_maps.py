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
        holding = {number // tables_each(side) for number in tables}
        ended = {request for request in holding if _has_ended(side, request, step)}
        done |= {r for r in _lost(side, step) if _reached(side, r, step)}
        served = {r for r, pairs in enumerate(side["tokens"]) if pairs and side.get("arrives", {r: 0})[r] <= step}
        counts = {"running": len(holding) - len(ended), "waiting": len(served - done - holding)}
        found.append(counts | _slots(side, tables, ended, step))
        before = tables
    assert not before, "something is held at the end"
    return found


def recorded_of(side: dict[str, Any]) -> list[dict[str, int]]:
    """What the document says was recorded in each step, under the names of `counts_of`."""
    names = ("running", "waiting", *parts_of(side))
    return [dict(zip(names, values, strict=True)) for values in zip(*(side[name] for name in names), strict=True)]


def parts_of(side: dict[str, Any]) -> tuple[str, ...]:
    """The parts that a side has."""
    return (*PARTS, "expired", "page_padding") if "groups" in side else PARTS


def tables_each(side: dict[str, Any]) -> int:
    """Block tables of a request."""
    return len(side.get("tables", [None]))


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
    if "groups" in side:
        kinds = slots_by_kind(side, tables, ended, step)
        return {part: sum(slots[part] for slots in kinds) for part in parts_of(side)}
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


def slots_by_kind(side: dict[str, Any], tables: Tables, ended: set[int], step: int) -> list[dict[str, int]]:
    """Slots of each kind of layers; no requests share blocks."""
    assert "hits" not in side
    found = [dict.fromkeys(parts_of(side), 0) for _ in side["groups"]]
    for number, cells in tables.items():
        request = number // tables_each(side)
        for place, cell in enumerate(cells):
            if side["form"] == "rows":
                for slots, kind in zip(found, side["groups"], strict=True):
                    for part in _row(side, kind, request, ended, step):
                        slots[part] += kind["units"]
            elif cell >= 0:
                table = side["tables"][number % tables_each(side)]
                for part in _block(side, table, request, place, ended, step):
                    found[table["group"]][part] += 1
    return found


def _block(
    side: dict[str, Any], table: dict[str, Any], request: int, place: int, ended: set[int], step: int
) -> Iterator[str]:
    """What each slot of a block holds: a place of each page for every token, with room for several layers."""
    size, window = side["block_tokens"], side["groups"][table["group"]]["window"]
    for own in range(place * size, (place + 1) * size):
        for unit in range(side["cell_slots"] // size * table["pages"]):
            if request in ended:
                yield "finished"
            elif unit >= table["units"]:
                yield "page_padding"
            else:
                yield _of_token(side, request, own, window, table["ring"], step)


def _of_token(side: dict[str, Any], request: int, place: int, window: int | None, ring: bool, step: int) -> str:
    stored, final = tokens_of(side, request, step), side["final"][request]
    held = [p for p in range(stored) if (p % window if ring else p) == place]
    if not held:
        comes = any((p % window if ring else p) == place for p in range(stored, final))
        return "reserved" if comes else "internal"
    return "expired" if window is not None and held[-1] + window <= stored else "live"


def _row(side: dict[str, Any], kind: dict[str, Any], request: int, ended: set[int], step: int) -> Iterator[str]:
    """What each place of a row holds; a full one of layers with a window loses what it was given first."""
    width = kind["width"][step]
    if request in ended:
        yield from ["finished"] * width
        return
    stored = tokens_of(side, request, step)
    held = [None] * side["pads"][request] + list(range(stored))
    held = held[-width:] if kind["window"] is not None else held
    for token in held:
        gone = token is not None and kind["window"] is not None and token + kind["window"] <= stored
        yield "padding" if token is None else "expired" if gone else "live"
    for number in range(width - len(held)):
        yield "reserved" if stored + number < side["final"][request] else "internal"
