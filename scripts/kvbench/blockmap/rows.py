"""The side of an engine with padded batches: a row of a contiguous cache for each request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kvbench.blockmap.events import ADMITTED, COMPLETED, Events
from kvbench.blockmap.kinds import Kind
from kvbench.blockmap.recorded import Recorded, common
from kvbench.kv.checks import check_equal
from kvbench.kv.contiguous import PLAIN_LAYERS, BatchRecord, running_rows, split_batch, split_by_group
from kvbench.kv.groups import units
from kvbench.kv.split import Slots
from kvbench.records import SPLIT


def rows_side(run: Recorded) -> dict[str, Any]:
    """The side as docs/block-map.md describes it. AccountingError if it does not add up to kv.parquet."""
    changes: list[list[int]] = [[] for _ in range(run.steps)]
    tokens: list[list[int]] = [[] for _ in run.requests]
    pads, events = [0] * len(run.requests), Events()
    width = np.zeros((len(run.groups) or 1, run.steps), np.int64)
    most, submitted_ns = 0, _submitted_ns(run)
    for first, last, numbers in _batches(run):
        prompt, output = _lengths(run, numbers)
        most = max(most, len(numbers))
        width[:, first:last] = _checked_width(run, first, last, numbers, submitted_ns)
        for row, number in enumerate(numbers):
            pads[number] = int(prompt.max() - prompt[row])
            tokens[number] = [first, int(prompt[row])]
            changes[first] += [number, 0, row]
            events.add(first, ADMITTED, number)
            events.add(first + int(output[row]) - 1, COMPLETED, number)
            if last < run.steps:
                tokens[number] += [last, -1]
                changes[last] += [number, -1, -1]
    arrives = np.searchsorted(run.kv["t_ns"], submitted_ns)
    side = common(run)
    for kind, entry in zip(run.kinds, side.get("groups", ()), strict=True):
        entry["width"] = width[_of_kind(run, kind)[0]].tolist()
    return {
        **side,
        **({"arrives": arrives.tolist()} if arrives.any() else {}),
        "form": "rows",
        "source": f"The rows of its cache, at every forward pass of timed repeat {run.repeat['repeat']}.",
        "every": 1,
        "cells": most,
        "cell_slots": None,
        "pool_slots": run.record["capacity"]["budget_bytes"] // run.record["slot_bytes"],
        "changes": changes,
        "tokens": tokens,
        "pads": pads,
        "width": (_units(run) @ width).tolist(),
        "events": events.flat(),
    }


def _submitted_ns(run: Recorded) -> Slots:
    """When each request was submitted, shape (requests served,): at the start, unless requests arrive over time."""
    times = np.full(run.served, run.repeat["start_ns"], np.int64)
    if run.arrives:
        found = run.rows("requests", ["request_id", "submitted_s"])
        seconds = found["submitted_s"].to_numpy(zero_copy_only=False)
        times[run.numbers(found["request_id"])] += np.rint(seconds * 1e9).astype(np.int64)
    return times


def _batches(run: Recorded) -> Iterator[tuple[int, int, list[int]]]:
    """First step, the step after the last, and requests of each batch, which follow each other in order of requests.

    A batch takes a step for each token of its longest output; a row that closes it follows where one was recorded.
    """
    step = number = 0
    for batch in run.record["batches"]:
        if batch["repeat"] != run.repeat["repeat"]:
            continue
        numbers = list(range(number, number + batch["rows"]))
        last = step + max(run.requests[n].output_tokens for n in numbers)
        yield step, last, numbers
        number += batch["rows"]
        step = last + int(last < run.steps and run.kv["allocated"][last] == 0)
    check_equal("steps of all batches", run.steps, step)
    check_equal("requests of all batches", run.served, number)


def _lengths(run: Recorded, numbers: list[int]) -> tuple[Slots, Slots]:
    chosen = [run.requests[number] for number in numbers]
    return np.array([r.prompt_tokens for r in chosen]), np.array([r.output_tokens for r in chosen])


def _units(run: Recorded) -> Slots:
    return np.array(units(run.groups or PLAIN_LAYERS), np.int64)


def _of_kind(run: Recorded, kind: Kind) -> list[int]:
    """The groups of a kind of layers; they have one width."""
    return [at for at, group in enumerate(run.groups) if (group.kind, group.window) == (kind.kind, kind.window)]


def _widths(run: Recorded, first: int, last: int, rows: int) -> Slots:
    """Tokens of a row in each group of layers at each step of a batch, shape (G, K), from the slots of its kind."""
    width = np.zeros((len(run.groups) or 1, last - first), np.int64)
    if not run.kinds:
        return width + run.kv["allocated"][first:last] // rows
    for kind in run.kinds:
        slots = run.kv["allocated"] if kind.slots is None else kind.slots["allocated"]
        width[_of_kind(run, kind)] = slots[first:last] // (rows * kind.units)
    return width


def _checked_width(run: Recorded, first: int, last: int, numbers: list[int], submitted_ns: Slots) -> Slots:
    """Tokens of a row in each group at each step of a batch, once what follows from it is what kv.parquet has."""
    prompt, output = _lengths(run, numbers)
    kv = {name: values[first:last] for name, values in run.kv.items()}
    width = _widths(run, first, last, len(numbers))
    batch = BatchRecord(
        request_ids=tuple(run.requests[number].request_id for number in numbers),
        prompt_tokens=prompt,
        output_tokens=output,
        t_ns=kv["t_ns"],
        width=width.T,
        rows=np.full(last - first, len(numbers)),
        tensor_bytes=kv["allocated"] * run.record["slot_bytes"],
        start_ns=int(kv["t_ns"][0]),
        end_ns=int(kv["t_ns"][-1]),
        groups=run.groups or PLAIN_LAYERS,
    )
    check_equal("slots of all rows", kv["allocated"], batch.row_slots * len(numbers))
    check_equal("requests in rows", kv["running"], running_rows(batch))
    here = np.searchsorted(np.sort(submitted_ns), kv["t_ns"], side="right")
    check_equal("waiting requests", kv["waiting"], here - numbers[-1] - 1)
    for name, part in zip(SPLIT, split_batch(batch), strict=True):
        check_equal(f"{name} slots of rows", kv[name], part)
    _check_kinds(run, batch, first, last)
    return width


def _check_kinds(run: Recorded, batch: BatchRecord, first: int, last: int) -> None:
    """Check the parts of each kind of layers."""
    by_group = split_by_group(batch)
    for kind in run.kinds:
        for place, name in enumerate(SPLIT) if kind.slots is not None else ():
            part = sum(by_group[at][place] for at in _of_kind(run, kind))
            check_equal(f"{name} slots of rows of {kind.kind} layers", kind.slots[name][first:last], part)
