"""The slots that distinct blocks hold at each step that was read, and the check of them against kv.parquet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvbench.blockmap.block_rows import BlockRows
from kvbench.blockmap.kinds import kind_of
from kvbench.blockmap.recorded import Recorded
from kvbench.kv.checks import check_equal
from kvbench.kv.groups import PagedGroup
from kvbench.kv.split import Slots, attended
from kvbench.records import SPLIT

Parts = dict[str, Slots]


def check_blocks(run: Recorded, rows: BlockRows, read: Slots) -> None:
    """Check that the blocks held at the steps `read` hold what kv.parquet has, part by part and kind by kind."""
    found = held_slots(run, rows, read)
    total = {name: sum(parts[name] for parts in found) for name in found[0]}
    check_equal("slots of distinct blocks", run.kv["allocated"][read], sum(total.values()))
    for name, slots in total.items():
        check_equal(f"{name} slots of blocks", run.kv[name][read], slots)
    for kind, parts in zip(run.kinds, found, strict=False):
        for name, slots in parts.items() if kind.slots is not None else ():
            check_equal(f"{name} slots of blocks of {kind.kind} layers", kind.slots[name][read], slots)


def held_slots(run: Recorded, rows: BlockRows, read: Slots) -> list[Parts]:
    """Slots by part at each step of `read`, of each kind of layers; a block counts once."""
    entries = _entries(run, rows)
    step = np.searchsorted(read, rows.step)[entries.row]
    keys = step * (rows.cells.max(initial=0) + 1) + entries.cell
    _, first, block = np.unique(keys, return_index=True, return_inverse=True)
    runs = np.bincount(step[~entries.ended], minlength=len(read)) > 0
    parts = _parts(run, rows, entries, first, block.ravel(), runs[step[first]])
    count, table = max(1, len(run.kinds)), rows.table[entries.row][first]
    kind = np.array([_kind(run, group) for group in rows.paging.groups])[table]
    place = kind * len(read) + step[first]
    sums = {name: np.bincount(place, part, count * len(read)).astype(np.int64) for name, part in parts.items()}
    assert set(parts) < set(SPLIT)
    return [{name: values.reshape(count, -1)[at] for name, values in sums.items()} for at in range(count)]


@dataclass(frozen=True)
class Entries:
    """The entries of all tables that stand for a block, and the tokens in it; arrays of shape (E,)."""

    row: Slots
    cell: Slots
    filled: Slots  # tokens of the request, those that are expired with them
    expired: Slots
    usable: Slots  # tokens that it holds or will hold
    ended: NDArray[np.bool_]  # the request has
    own: NDArray[np.bool_]  # the request did not find it in the cache


def _entries(run: Recorded, rows: BlockRows) -> Entries:
    size = run.record["block_size"]
    row = np.repeat(np.arange(len(rows.length)), rows.length)
    logical = np.arange(len(row)) - np.repeat(rows.begins, rows.length)
    kept = rows.cells >= 0
    row, logical = row[kept], logical[kept]
    filled, expired, usable = np.zeros((3, len(row)), np.int64)
    stored, final, table = rows.tokens[row], np.array(run.final)[rows.request[row]], rows.table[row]
    for number, group in enumerate(rows.paging.groups):
        of = table == number
        begin = logical[of] * size
        filled[of], expired[of], usable[of] = tokens_in_block(begin, stored[of], final[of], size, group)
    return Entries(row, rows.cells[kept], filled, expired, usable, rows.ended[row], logical >= rows.hits[row])


def tokens_in_block(
    begin: Slots, stored: Slots, final: Slots, size: int, group: PagedGroup
) -> tuple[Slots, Slots, Slots]:
    """Of blocks that begin with place `begin` of a table: tokens in them, those expired, and those there at the end.

    In a ring the token at position p has place p modulo the window, and the only expired one is the oldest.
    """
    if group.ring:
        oldest = stored % group.window - begin
        expired = (stored >= group.window) & (oldest >= 0) & (oldest < size)
        stored, final = np.minimum(stored, group.window), np.minimum(final, group.window)
    else:
        expired = np.clip(stored - attended(stored, group.window) - begin, 0, size)
    filled = np.clip(stored - begin, 0, size)
    return filled, expired.astype(np.int64), np.maximum(filled, np.clip(final - begin, 0, size))


def _parts(
    run: Recorded, rows: BlockRows, entries: Entries, first: Slots, block: Slots, runs: NDArray[np.bool_]
) -> Parts:
    """Slots by part of each distinct block and step, shape (D,); `first` of its entries, `block` of each entry.

    Blocks of a request that has ended are finished, except those that it had found in the cache while another request
    runs (`runs`); a block that every running request had found there is live as a whole (`kv.paged.shared_split`).
    """
    size, count = run.record["block_size"], len(first)
    running, own = ~entries.ended, ~entries.ended & entries.own
    finished = (_largest(entries.ended & entries.own, block, count) > 0) | ~runs
    whole = ~(_largest(own, block, count) > 0) & ~finished
    filled = _largest(entries.filled * running, block, count)
    usable = _largest(entries.usable * running, block, count)
    expired = size - _largest((size - entries.expired) * own, block, count)
    tables, table = rows.paging.groups, rows.table[entries.row][first]
    unit = np.array([group.units for group in tables])[table]
    page = size * rows.paging.page_units * np.array([group.pages for group in tables])[table]
    tokens = {"live": filled - expired, "reserved": usable - filled, "internal": size - usable, "expired": expired}
    parts = {name: np.where(finished | whole, 0, part * unit) for name, part in tokens.items()}
    return {
        **parts,
        "live": np.where(whole, page, parts["live"]),
        "finished": np.where(finished, page, 0),
        "page_padding": np.where(finished | whole, 0, page - size * unit),
    }


def _kind(run: Recorded, table: PagedGroup) -> int:
    return kind_of(run.groups, table.kind, table.window) if run.kinds else 0


def _largest(values: NDArray, at: Slots, count: int) -> Slots:
    """The largest of the values at each place, 0 where there is none."""
    found = np.zeros(count, np.int64)
    np.maximum.at(found, at, values.astype(np.int64))
    return found
