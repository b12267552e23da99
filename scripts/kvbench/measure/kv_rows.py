"""Rows of `kv.parquet` from what an engine recorded in one pass, each checked against the engine's own counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.engines.base import Generated
from kvbench.kv import checks
from kvbench.kv.contiguous import BatchRecord, running_rows, scheduled_tokens, split_batch
from kvbench.kv.paged import rebuild, shared_split
from kvbench.kv.schedule import Schedule
from kvbench.kv.split import Split, final_kv_length
from kvbench.records import SPLIT, UPKEEP
from kvbench.workload.read import Request

Columns = dict[str, Any]
Checks = dict[str, int]


def kv_rows(
    generated: Generated, requests: Sequence[Request], *, slot_bytes: int, static_width: int | None, shared: bool
) -> tuple[Columns, Checks]:
    """Columns of `records.KV` except repeat and phase, and the number of samples that each identity was checked on.

    Those of `records.UPKEEP` are there only for a pass in which they were taken.

    `static_width` is the slots per row of a static cache, None for a growing one. Raises AccountingError.
    """
    if generated.schedule is not None:
        return _paged_rows(generated.schedule, requests, shared=shared)
    known = [c.submitted_ns for c in generated.completions if c.submitted_ns is not None]
    submitted_ns = np.sort(known) if known else np.zeros(len(requests), np.int64)
    return _contiguous_rows(generated.batches, submitted_ns, slot_bytes, static_width)


def _paged_rows(schedule: Schedule, requests: Sequence[Request], *, shared: bool) -> tuple[Columns, Checks]:
    submitted = schedule.submission_order()
    lengths = np.array([(r.prompt_tokens, r.output_tokens) for r in requests], np.int64)[submitted]
    rebuilt = rebuild(schedule, final_kv_length(lengths[:, 0], lengths[:, 1]))
    split = shared_split(schedule, rebuilt) if shared else rebuilt.split
    steps = len(schedule.t_ns)
    pool = np.full(steps, schedule.total_blocks * schedule.block_size, np.int64)
    found = checks.check_paged(schedule, rebuilt, shared=shared) | checks.check_split(split, pool)
    columns = {
        "t_ns": schedule.t_ns,
        "step": np.arange(steps),
        "running": schedule.running,
        "waiting": schedule.waiting,
        "scheduled_tokens": schedule.scheduled_tokens,
        "preemptions": rebuilt.preemptions,
        "prefix_hit_tokens": rebuilt.prefix_hit_tokens,
        "pool": pool,
        "unshared": rebuilt.blocks * schedule.block_size,
        **_parts(split),
    }
    end = {"t_ns": schedule.end_ns, "step": steps, "pool": schedule.total_blocks * schedule.block_size}
    end["allocated"] = (schedule.total_blocks - schedule.end_free_blocks) * schedule.block_size
    for name in ("preemptions", "prefix_hit_tokens"):
        end[name] = columns[name][-1]
    return _with_row(columns, end) | _upkeep(schedule), found


def _contiguous_rows(
    batches: Sequence[BatchRecord], submitted_ns: NDArray[np.int64], slot_bytes: int, static_width: int | None
) -> tuple[Columns, Checks]:
    """`submitted_ns`, shape (R,) and sorted, says how many wait: those submitted and not yet in a batch."""
    columns: Columns = {}
    found: Checks = {}
    taken, step = 0, 0
    for batch in batches:
        passes = np.arange(len(batch.t_ns))
        taken += len(batch.request_ids)
        width = np.full(len(passes), static_width) if static_width else batch.prompt_tokens.max() + passes
        split = split_batch(batch)
        pool = batch.tensor_bytes // slot_bytes
        add_checks(found, checks.check_batch(batch, slot_bytes, width) | checks.check_split(split, pool))
        rows = {
            "t_ns": batch.t_ns,
            "step": step + passes,
            "running": running_rows(batch),
            "waiting": np.searchsorted(submitted_ns, batch.t_ns, side="right") - taken,
            "scheduled_tokens": scheduled_tokens(batch),
            "preemptions": 0 * passes,
            "prefix_hit_tokens": 0 * passes,
            "pool": pool,
            "unshared": split.allocated,
            **_parts(split),
        }
        step += len(passes) + 1
        waiting = np.searchsorted(submitted_ns, batch.end_ns, side="right") - taken
        end = {"t_ns": batch.end_ns, "step": step - 1, "waiting": waiting, "pool": pool[-1] if static_width else 0}
        columns = _append(columns, _with_row(rows, end))
    return columns, found


def _upkeep(schedule: Schedule) -> Columns:
    """The times of each step and nothing for the closing row; no columns if the pass was not timed in parts."""
    times = {name: getattr(schedule, name).tolist() for name in UPKEEP}
    return {name: [*values, None] for name, values in times.items() if values}


def _parts(split: Split) -> Columns:
    return {"allocated": split.allocated, **dict(zip(SPLIT, split, strict=True))}


def _with_row(columns: Columns, row: dict[str, Any]) -> Columns:
    """Columns with one more row; columns missing from the row get 0."""
    return {name: np.append(values, row.get(name, 0)) for name, values in columns.items()}


def _append(columns: Columns, more: Columns) -> Columns:
    return {name: np.concatenate([columns[name], more[name]]) for name in more} if columns else more


def add_checks(total: Checks, more: Checks) -> None:
    """Add the numbers of samples in `more` to those in `total`."""
    for name, samples in more.items():
        total[name] = total.get(name, 0) + samples
