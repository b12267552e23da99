"""The side of an engine with blocks: which request holds which of them at each step."""

from __future__ import annotations

from typing import Any

import numpy as np

from kvbench.blockmap.block_rows import BlockRows, block_rows, first_block
from kvbench.blockmap.block_slots import check_blocks
from kvbench.blockmap.kinds import kind_of
from kvbench.blockmap.recorded import Recorded, common
from kvbench.blockmap.tables import Tables
from kvbench.kv.checks import check_equal
from kvbench.kv.split import Slots


def paged_side(run: Recorded) -> dict[str, Any] | None:
    """The side as docs/block-map.md describes it; None if no block ids were read.

    AccountingError if it does not add up to kv.parquet at the steps that were read.
    """
    rows = block_rows(run)
    if not len(rows.step):
        return None
    every = run.record["blocks_every"]
    read = np.arange(0, run.steps, every)
    check_blocks(run, rows, read)
    tables = _tables(run, rows, read)
    size, blocks = run.record["block_size"], run.record["capacity"]["blocks"]
    page = size * rows.paging.page_units
    often = "every step" if every == 1 else f"every {every} steps"
    side = {
        **common(run),
        "form": "paged",
        "source": f"Its block tables, read at {often} of an untimed pass.",
        "every": every,
        "cells": blocks,
        "first_block": first_block(run),
        "cell_slots": page,
        "pool_slots": blocks * page,
        **(_block_tables(run, rows) if run.kinds else {}),
        "changes": tables.changes,
        "tokens": tables.tokens,
        "events": tables.events.flat(),
    }
    if any(tables.hits):
        side["hits"] = tables.hits
    return side | _queue(run, rows, read, tables)


def _block_tables(run: Recorded, rows: BlockRows) -> dict[str, Any]:
    """The tables of a request, and tokens of a block of each, which are the slots of a cell only with a single one."""
    tables = [
        {"group": kind_of(run.groups, t.kind, t.window), "units": t.units, "pages": t.pages, "ring": t.ring}
        for t in rows.paging.groups
    ]
    return {"block_tokens": run.record["block_size"], "tables": tables}


def _tables(run: Recorded, rows: BlockRows, read: Slots) -> Tables:
    """Follow the tables from one reading to the next, and to the closing row, when nothing is held any more.

    An engine that schedules a step while the last one is computed holds the blocks of a request for one step after its
    last token, unless it preempts it in that step.
    """
    each = rows.tables
    tables = Tables(run.steps, run.final, each)
    every_step = run.record["blocks_every"] == 1
    finish = {} if every_step else _finishes(run)
    ahead = every_step and bool(rows.ended.any())
    cells, begins, lengths = rows.cells.tolist(), rows.begins.tolist(), rows.length.tolist()
    values = [values[::each].tolist() for values in (rows.request, rows.tokens, rows.hits, rows.ended)]
    last = {request: row for row, request in enumerate(values[0])}

    def let_go(step: int, holding: set[int]) -> None:
        """Requests that hold nothing any more are complete, unless they hold something later or finish later."""
        for request in [request for request in tables.held if request not in holding]:
            complete = last[request] < row and finish.get(request, -1) < step
            overtaken = complete and ahead and step < run.steps - 1 and not tables.held[request].ended
            leave = tables.overtaken if overtaken else tables.completed if complete else tables.preempted
            leave(step, request)

    ends = np.searchsorted(rows.step[::each], read, side="right").tolist()
    row = 0
    for step, end in zip(read.tolist(), ends, strict=True):
        let_go(step, set(values[0][row:end]))
        for at in range(row, end):
            request, *found = (column[at] for column in values)
            held = [cells[begins[r] : begins[r] + lengths[r]] for r in range(at * each, (at + 1) * each)]
            tables.read(step, request, held, *found)
        row = end
    let_go(run.steps - 1, set())
    for request in range(run.served):
        if tables.done[request] is None and request in finish:
            tables.unseen(finish[request], request)
    check_equal("requests that were complete", run.served, sum(done is not None for done in tables.done))
    return tables


def _finishes(run: Recorded) -> dict[int, int]:
    """The last step of each request, by the time at which it finished: some are served between two readings."""
    found = run.rows("requests", ["request_id", "finish_s"])
    finish_ns = run.repeat["start_ns"] + found["finish_s"].to_numpy() * 1e9
    steps = np.clip(np.searchsorted(run.kv["t_ns"], finish_ns, side="right") - 1, 0, run.steps - 2)
    return dict(zip(run.numbers(found["request_id"]).tolist(), steps.tolist(), strict=True))


def _queue(run: Recorded, rows: BlockRows, read: Slots, tables: Tables) -> dict[str, Any]:
    """Running requests without those that have ended, and, where an engine did not have all from the first step on, the
    step from which it has each. AccountingError if running and waiting requests are not those of the tables.
    """
    at, has_ended = np.searchsorted(read, rows.step[:: rows.tables]), rows.ended[:: rows.tables]
    held, ended = np.bincount(at, minlength=len(read)), np.bincount(at, has_ended, len(read)).astype(np.int64)
    check_equal("requests that hold blocks", run.kv["running"][read], held)
    running = run.kv["running"].copy()
    running[read] -= ended
    finished = np.sort([done for done in tables.done if done is not None])
    complete = np.searchsorted(finished, read, side="right")
    arrived = running[read] + run.kv["waiting"][read] + complete
    inside = read < run.steps - 1
    check_equal("requests that came before others", np.maximum.accumulate(arrived[inside]), arrived[inside])
    check_equal("requests that were served", arrived[inside][-1:], np.full(1, run.served))
    side: dict[str, Any] = {"running": running.tolist()}
    if arrived[0] < run.served:
        side["arrives"] = [int(read[np.argmax(arrived > number)]) for number in range(run.served)]
    return side
