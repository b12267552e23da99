"""The rows of blocks.parquet of a pass, and the slots that they hold at each step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvbench.blockmap.recorded import Recorded
from kvbench.kv.checks import check_equal, check_order
from kvbench.kv.split import Slots
from kvbench.records import SPLIT

# Block ids below it belong to the library: vLLM's null block, which stands for a block given back inside a request, and
# two blocks that Transformers pads with.
FIRST_BLOCK = {"vllm": 1, "hf": 2}
COLUMNS = ("step", "request_id", "computed_tokens", "block_ids", "prefix_hit_tokens", "ended")


@dataclass(frozen=True)
class BlockRows:
    """A row per request that holds blocks and step that was read, in order of steps; arrays of shape (B,)."""

    step: Slots
    request: Slots
    tokens: Slots
    length: Slots
    hits: Slots  # blocks found in the cache
    ended: NDArray[np.bool_]
    cells: Slots  # of all rows one after the other; below 0: given back

    @property
    def begins(self) -> Slots:
        """Where a row's cells begin."""
        return np.cumsum(self.length) - self.length


def block_rows(run: Recorded) -> BlockRows:
    """The rows of the pass. AccountingError if a block is not one of the pool."""
    table = run.rows("blocks", COLUMNS).combine_chunks()
    lists = table["block_ids"].combine_chunks()
    order = np.argsort(table["step"].to_numpy(), kind="stable")
    lists, table = lists.take(order), table.take(order)
    first, size = first_block(run), run.record["block_size"]
    cells = lists.flatten().to_numpy().astype(np.int64) - first
    check_order("cells beyond the pool", cells, np.full(len(cells), run.record["capacity"]["blocks"] - 1))
    return BlockRows(
        table["step"].to_numpy().astype(np.int64),
        run.numbers(table["request_id"]),
        table["computed_tokens"].to_numpy().astype(np.int64),
        lists.value_lengths().to_numpy().astype(np.int64),
        table["prefix_hit_tokens"].to_numpy() // size,
        table["ended"].to_numpy().astype(bool),
        np.maximum(cells, -1),
    )


def first_block(run: Recorded) -> int:
    """The id of the block that is cell 0."""
    return FIRST_BLOCK[run.engine.partition("-")[0]]


def check_blocks(run: Recorded, rows: BlockRows, read: Slots) -> None:
    """Check that the blocks held at the steps `read` hold what kv.parquet has, part by part."""
    found = _slots(run, rows, read)
    allocated = run.kv["allocated"][read]
    check_equal("slots of distinct blocks", allocated, sum(found.values()))
    for name in ("live", "reserved", "internal", "finished"):
        check_equal(f"{name} slots of blocks", run.kv[name][read], found[name])


def _slots(run: Recorded, rows: BlockRows, read: Slots) -> dict[str, Slots]:
    """Slots by part at each step of `read`: a block counts once, and as far as one of its requests filled it.

    Blocks of a request that has ended are finished, except those that it had found in the cache while another request
    runs (`kv.paged.shared_split`).
    """
    size, final = run.record["block_size"], np.array(run.final)
    row = np.repeat(np.arange(len(rows.length)), rows.length)
    logical = np.arange(len(row)) - np.repeat(rows.begins, rows.length)
    kept = rows.cells >= 0
    row, logical, cell = row[kept], logical[kept], rows.cells[kept]
    step = np.searchsorted(read, rows.step)[row]
    ended = rows.ended[row]
    live = np.where(ended, 0, np.clip(rows.tokens[row] - logical * size, 0, size))
    used = np.where(ended, 0, np.maximum(live, np.clip(final[rows.request[row]] - logical * size, 0, size)))
    keys, block = np.unique(step * (cell.max(initial=0) + 1) + cell, return_inverse=True)
    steps = np.zeros(len(keys), np.int64)
    steps[block] = step
    lived, usable = _largest(live, block, len(keys)), _largest(used, block, len(keys))
    runs = np.bincount(step[~ended], minlength=len(read)) > 0
    own = _largest(ended & (logical >= rows.hits[row]), block, len(keys)) > 0
    held = _largest(~ended, block, len(keys)) > 0
    finished = own | ~runs[steps]
    found_only = ~held & ~finished
    parts = {
        "live": np.where(finished, 0, np.where(found_only, size, lived)),
        "reserved": np.where(finished | found_only, 0, usable - lived),
        "internal": np.where(finished | found_only, 0, size - usable),
        "finished": np.where(finished, size, 0),
    }
    assert set(parts) < set(SPLIT)
    return {name: np.bincount(steps, part, len(read)).astype(np.int64) for name, part in parts.items()}


def _largest(values: NDArray, at: NDArray[np.int64], count: int) -> Slots:
    """The largest of the values at each place, 0 where there is none."""
    found = np.zeros(count, np.int64)
    np.maximum.at(found, at.ravel(), values.astype(np.int64))
    return found
