"""Fills a pool from block tables step by step, with the rules by which an engine keeps what it has computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kvbench.analysis.tables.prefix_hits_blocks import Key, Pool, window_blocks


class Read(NamedTuple):
    """A block table of a request at a step, with the tokens that are computed once the step has run."""

    step: int
    request_id: str
    table: int
    computed: int
    blocks: Sequence[int]


@dataclass(frozen=True)
class Rules:
    """How an engine shares blocks.

    `at_once`: a later request of the step that fills a block finds it. `null_block` stands for one that was given back.
    `interval`: where tables with a window stand beside others, these keep only the blocks that a hit needs which ends
    with the prompt or where earlier prompts part, and at each multiple of so many tokens; 0: no multiples, None: all
    blocks are kept. It is vLLM's `prefix_cache_retention_interval`.
    """

    at_once: bool = True
    null_block: int | None = 0
    interval: int | None = None


class Filling:
    """Puts what block tables show into the pool; only what is new in a table since the last step is looked at."""

    def __init__(
        self, pool: Pool, numbers: Mapping[str, Sequence[int]], prompts: Mapping[str, int], rules: Rules
    ) -> None:
        self.pool, self.numbers, self.prompts, self.rules = pool, numbers, prompts, rules
        self.full: dict[tuple[str, int], int] = {}  # full blocks at the last step, of requests that are still there
        self.computed: dict[str, int] = {}
        self.parting: dict[str, int] = {}  # of each request, the blocks after which it parts from earlier prompts
        self.later: list[tuple[int, Key]] = []
        self.sparse = rules.interval is not None and len(pool.groups) > 1

    def take(self, read: Read) -> None:
        """Put what is new in a table."""
        name, table = read.request_id, read.table
        numbers, full = self.numbers[name], read.computed // self.pool.size
        if (name, table) not in self.full and table == 0:
            most = self.computed.get(name, self.prompts[name] - 1) // self.pool.size
            self.parting[name] = self.pool.without_windows(numbers, min(most, len(numbers)))
        for at in range(self.full.get((name, table), 0), len(read.blocks)):
            block = int(read.blocks[at])
            if block != self.rules.null_block:
                self._put(block, (table, numbers[at]) if at < min(full, len(numbers)) else None, name, at)
        self.full[name, table], self.computed[name] = full, read.computed

    def _put(self, block: int, key: Key | None, name: str, at: int) -> None:
        if key is None or self.pool.held.get(block) == key:
            self.pool.put(block, key)
        elif not self._keeps(name, key[0], at):
            self.pool.put(block, None)
            self.pool.computed.add(key)
        elif self.rules.at_once:
            self.pool.put(block, key)
        else:
            self.pool.put(block, None)
            self.later.append((block, key))

    def _keeps(self, name: str, table: int, at: int) -> bool:
        """Whether a block can be found later. As `reachable_block_mask` in
        https://github.com/vllm-project/vllm/blob/v0.32.0/vllm/v1/core/single_type_kv_cache_manager.py.
        """
        window, size = self.pool.groups[table].window, self.pool.size
        if window is None or not self.sparse:
            return True
        need, every = window_blocks(window, size), self.rules.interval // size
        ends = ((self.prompts[name] - 1) // size, self.parting[name])
        return any(end - need <= at < end for end in ends) or bool(every and at % every >= every - need)

    def end_step(self, present: set[tuple[str, int]]) -> None:
        """Forget the tables that the step did not show: their requests have ended or were preempted."""
        for block, key in self.later:
            self.pool.put(block, key)
        self.later.clear()
        self.full = {table: full for table, full in self.full.items() if table in present}
