"""The timers of vLLM's upkeep, on objects of our own and with a clock that goes on by 10 ns a look."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from builders.schedules import schedule_of

from kvbench.engines.vllm import upkeep
from kvbench.kv.checks import AccountingError
from kvbench.kv.schedule import Schedule


class Manager:
    def allocate_slots(self, tokens):
        return self.free(tokens) if tokens > 9 else tokens

    def free(self, tokens):
        return -tokens

    def get_blocks(self):
        return self.free(1)


class MultiGroupBlockTable(SimpleNamespace):
    """The V1 runner's tables, with one method that does something."""

    def add_row(self, row):
        self.rows = [*self.rows, row]


class BlockTables(SimpleNamespace):
    """The V2 runner's."""


for kind in (MultiGroupBlockTable, BlockTables):
    for name in upkeep.TABLE_METHODS[kind.__name__]:
        if name not in vars(kind):
            setattr(kind, name, lambda self, *args: args)


class Runner:
    """A runner that adds a row to its tables for each token of a step."""

    def __init__(self, tables, **own):
        self.__dict__ |= own
        self.add = tables

    def execute_model(self, output, sent=None):
        for token in range(output.total_num_scheduled_tokens):
            self.add(token)
        return output, sent


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    ticks = count(0, 10)
    monkeypatch.setattr(upkeep.time, "perf_counter_ns", lambda: next(ticks))


def test_a_method_called_by_another_counts_once():
    manager = Manager()
    timer = upkeep.MethodTimer(manager, upkeep.BLOCK_METHODS)
    assert (manager.allocate_slots(3), manager.allocate_slots(12), manager.free(5)) == (3, -12, -5)
    assert timer.take() == 30
    assert manager.get_blocks() == -1  # is not timed, but calls one that is
    assert (timer.take(), timer.take()) == (10, 0)


def test_a_method_that_raises_is_timed_and_the_next_one_too():
    manager = Manager()
    timer = upkeep.MethodTimer(manager, upkeep.BLOCK_METHODS)
    with pytest.raises(TypeError):
        manager.allocate_slots(None)
    manager.free(1)
    assert timer.take() == 20


def test_an_object_has_its_own_methods_before_and_after():
    manager = Manager()
    timer = upkeep.BlocksTimer(manager)
    assert set(vars(manager)) == set(upkeep.BLOCK_METHODS)
    timer.stop()
    assert vars(manager) == {}


def test_times_of_blocks_are_those_since_the_last_step(tmp_path):
    manager = Manager()
    timer = upkeep.BlocksTimer(manager)
    for calls in (2, 0, 1):
        for _ in range(calls):
            manager.allocate_slots(1)
        timer.step(recording_ns=7 + calls)
    timer.added_to(schedule_of()).save(tmp_path / "schedule.npz")
    schedule = Schedule.load(tmp_path / "schedule.npz")
    assert schedule.allocate_ns.tolist() == [20, 0, 10]
    assert schedule.recording_ns.tolist() == [9, 7, 8]
    assert schedule.tables_ns.tolist() == []


@pytest.mark.parametrize("kind", [MultiGroupBlockTable, BlockTables])
def test_steps_of_a_worker(kind):
    tables = kind(rows=[])
    first = upkeep.TABLE_METHODS[kind.__name__][0]
    own = {"input_batch": SimpleNamespace(block_table=tables)}
    own = own if kind is MultiGroupBlockTable else {"block_tables": tables}
    runner = Runner(lambda token: getattr(tables, first)(token), **own)
    before = set(vars(runner)), set(vars(tables))
    timer = upkeep.TablesTimer(runner)
    for tokens in (3, 0, 1):
        output = SimpleNamespace(total_num_scheduled_tokens=tokens)
        assert runner.execute_model(output, "more") == (output, "more")
    assert timer.stop() == {"tokens": [3, 0, 1], "ns": [30, 0, 10]}
    assert (set(vars(runner)), set(vars(tables))) == before


def test_the_slowest_worker_counts_in_each_step():
    workers = [{"tokens": [76, 0, 2], "ns": [5, 99, 8]}, {"tokens": [76, 2], "ns": [6, 7]}]
    assert upkeep.with_tables(schedule_of(), workers).tables_ns.tolist() == [6, 8, 0]


@pytest.mark.parametrize("tokens", [[76], [76, 2, 2], [76, 3]])
def test_a_worker_with_other_steps_is_noticed(tokens):
    with pytest.raises(AccountingError, match="tokens of a worker's steps"):
        upkeep.with_tables(schedule_of(), [{"tokens": tokens, "ns": np.ones(len(tokens), int).tolist()}])
