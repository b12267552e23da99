"""Times the upkeep of vLLM's block tables: of blocks in the scheduler, of the tables in each worker.

Methods are replaced on the object itself, and only for the untimed pass that times them; in other passes vLLM calls its
own. These are times of the host: what a method starts on a GPU goes on after it has returned.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np

from kvbench.kv.checks import check_equal
from kvbench.kv.schedule import Schedule

BLOCK_METHODS = ("allocate_slots", "free")
# The methods that fill, copy and read the tables in a step, of both model runners of vLLM.
TABLE_METHODS = {
    "MultiGroupBlockTable": (
        *("append_row", "add_row", "move_row", "swap_row", "clear_row"),
        *("commit_block_table", "compute_slot_mapping"),
    ),
    "BlockTables": ("append_block_ids", "apply_staged_writes", "gather_block_tables", "compute_slot_mappings"),
}


class MethodTimer:
    """Adds up the time spent in some methods of an object; a method called by another one counts once."""

    def __init__(self, owner: Any, names: Sequence[str]) -> None:
        self.owner, self.names = owner, names
        self.ns, self.inside = 0, False
        for name in names:
            setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self.inside:
                return method(*args, **kwargs)
            self.inside = True
            begin = time.perf_counter_ns()
            try:
                return method(*args, **kwargs)
            finally:
                self.ns += time.perf_counter_ns() - begin
                self.inside = False

        return timed

    def take(self) -> int:
        """Nanoseconds since the last call."""
        ns, self.ns = self.ns, 0
        return ns

    def stop(self) -> None:
        """Give the object its own methods back."""
        for name in self.names:
            delattr(self.owner, name)


class BlocksTimer:
    """In each step of a scheduler: the time for allocating and freeing blocks, and for our own recording."""

    def __init__(self, manager: Any) -> None:
        self.timer = MethodTimer(manager, BLOCK_METHODS)
        self.allocate_ns, self.recording_ns = array("q"), array("q")

    def step(self, recording_ns: int) -> None:
        """End a step, in which recording took `recording_ns`."""
        self.allocate_ns.append(self.timer.take())
        self.recording_ns.append(recording_ns)

    def added_to(self, schedule: Schedule) -> Schedule:
        """The schedule of the pass with these times."""
        times = {name: np.array(getattr(self, name), np.int64) for name in ("allocate_ns", "recording_ns")}
        return replace(schedule, **times)

    def stop(self) -> None:
        """Give the scheduler its own methods back."""
        self.timer.stop()


class TablesTimer:
    """In each step of a worker: the tokens scheduled, and the time for its block tables."""

    def __init__(self, runner: Any) -> None:
        self.tokens, self.ns = array("q"), array("q")
        tables = getattr(runner, "block_tables", None)
        tables = runner.input_batch.block_table if tables is None else tables
        self.tables = MethodTimer(tables, TABLE_METHODS[type(tables).__name__])
        self.runner, execute = runner, runner.execute_model

        def execute_model(scheduler_output: Any, *args: Any, **kwargs: Any) -> Any:
            output = execute(scheduler_output, *args, **kwargs)
            self.tokens.append(scheduler_output.total_num_scheduled_tokens)
            self.ns.append(self.tables.take())
            return output

        runner.execute_model = execute_model

    def stop(self) -> dict[str, list[int]]:
        """Give the runner its own methods back; return the tokens and nanoseconds of each step."""
        self.tables.stop()
        del self.runner.execute_model
        return {"tokens": self.tokens.tolist(), "ns": self.ns.tolist()}


def with_tables(schedule: Schedule, workers: Sequence[dict[str, list[int]]]) -> Schedule:
    """The schedule with the time of the block tables in each step, of the worker that took longest.

    AccountingError if the steps of a worker (`TablesTimer.stop`) are not those that were scheduled.
    """
    scheduled = schedule.scheduled_tokens > 0
    times = []
    for worker in workers:
        tokens, ns = np.array(worker["tokens"], np.int64), np.array(worker["ns"], np.int64)
        check_equal("tokens of a worker's steps", tokens[tokens > 0], schedule.scheduled_tokens[scheduled])
        times.append(ns[tokens > 0])
    tables_ns = np.zeros(len(scheduled), np.int64)
    tables_ns[scheduled] = np.max(times, axis=0)
    return replace(schedule, tables_ns=tables_ns)
