"""The rows of blocks.parquet of a pass: which blocks each table of a request has at each step that was read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvbench.blockmap.recorded import Recorded
from kvbench.kv.checks import check_equal, check_order
from kvbench.kv.groups import Paging, paging_of
from kvbench.kv.split import Slots

COLUMNS = ("step", "request_id", "computed_tokens", "block_ids", "group", "prefix_hit_tokens", "ended")
VLLM_SPARE = 1  # vLLM's null block, which stands for a block given back inside a request
HF_SPARE_SECTORS, HF_ALIGNMENT = 2, 128  # what Transformers pads with; its sectors are whole blocks of every kind


@dataclass(frozen=True)
class BlockRows:
    """A row per request that holds blocks, block table and step that was read; arrays of shape (B,).

    In order of steps; the rows of a request's tables follow each other. A cell is a page; a block that takes several
    has its first.
    """

    paging: Paging
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

    @property
    def tables(self) -> int:
        """Block tables of a request."""
        return len(self.paging.groups)

    @property
    def table(self) -> Slots:
        """Which of a request's tables each row is."""
        return np.arange(len(self.step)) % self.tables


def block_rows(run: Recorded) -> BlockRows:
    """The rows of the pass. AccountingError if a block is not one of the pool, or a table of a request is missing."""
    table = run.rows("blocks", COLUMNS).combine_chunks()
    lists = table["block_ids"].combine_chunks()
    order = np.argsort(table["step"].to_numpy(), kind="stable")
    lists, table = lists.take(order), table.take(order)
    paging, size = paging_of(run.engine, run.groups), run.record["block_size"]
    length = lists.value_lengths().to_numpy().astype(np.int64)
    rows = BlockRows(
        paging,
        table["step"].to_numpy().astype(np.int64),
        run.numbers(table["request_id"]),
        table["computed_tokens"].to_numpy().astype(np.int64),
        length,
        table["prefix_hit_tokens"].to_numpy() // size,
        table["ended"].to_numpy().astype(bool),
        lists.flatten().to_numpy().astype(np.int64),
    )
    if "group" in table.column_names:
        check_equal("block tables of a request", table["group"].to_numpy(), rows.table)
    cells = _cells(run, paging, rows.cells, np.repeat(rows.table, length))
    return BlockRows(**{**vars(rows), "cells": cells})


def first_block(run: Recorded) -> int:
    """The number of the page that is cell 0: those before it are the library's own."""
    if run.engine.startswith("vllm"):
        return VLLM_SPARE
    return HF_SPARE_SECTORS * _sector_pages(run, paging_of(run.engine, run.groups))


def _cells(run: Recorded, paging: Paging, ids: Slots, table: Slots) -> Slots:
    """The first page of each block; -1 for one of the library's own. AccountingError beyond the pool."""
    pages = np.array([group.pages for group in paging.groups], np.int64)[table]
    number = ids
    if not run.engine.startswith("vllm"):
        sector = _sector_pages(run, paging)
        blocks = sector // pages  # of a table's kind in a sector
        number = ids // blocks * sector + ids % blocks * pages
    cells = number - first_block(run)
    check_order("cells beyond the pool", cells + pages, np.full(len(cells), run.record["capacity"]["blocks"]))
    return np.maximum(cells, -1)


def _sector_pages(run: Recorded, paging: Paging) -> int:
    """Pages of a sector of Transformers' pool: whole blocks of each kind of layers, and whole aligned bytes."""
    page = run.record["block_size"] * run.record["slot_bytes"]
    return math.lcm(*(group.pages * page for group in paging.groups), HF_ALIGNMENT) // page
