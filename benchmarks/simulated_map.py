"""A document of the block map (docs/block-map.md) of any size, for map_drawing.py."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

BLOCK_SLOTS, ROW_SLOTS = 16, 1024
PROMPTS, OUTPUTS = (100, 700), (40, 150)  # tokens: a block is held for about 80 steps
STEP_US, SLOT_BYTES = 20_000, 2**15
ADMITTED, COMPLETED = 0, 2


def document(blocks: int, steps: int, seed: int = 0) -> dict[str, Any]:
    """Two sides of at most `steps` steps with `blocks` × 16 slots: blocks of 16 on demand, one of 1,024 a request.

    ValueError for a pool that does not hold a request of 1,024 slots.
    """
    if blocks * BLOCK_SLOTS < ROW_SLOTS:
        raise ValueError(f"{blocks} blocks of {BLOCK_SLOTS} slots are fewer than the {ROW_SLOTS} of a request")
    draw = np.random.default_rng(seed)
    most = 2 + steps * blocks // (OUTPUTS[0] * PROMPTS[0] // BLOCK_SLOTS)
    lengths = np.stack([draw.integers(*PROMPTS, most), draw.integers(*OUTPUTS, most)], axis=1).tolist()
    paged = Simulation(lengths, blocks, BLOCK_SLOTS).side("vllm", steps)
    rows = Simulation(lengths, blocks * BLOCK_SLOTS // ROW_SLOTS, ROW_SLOTS).side("vllm-contiguous", steps)
    served = sum(bool(pairs) for pairs in paged["tokens"])
    for side in (paged, rows):
        side["tokens"], side["final"] = side["tokens"][:served], side["final"][:served]
    requests = [
        {"id": f"r{number}", "prompt_tokens": prompt, "output_tokens": output, "prompt": None, "output": None}
        for number, (prompt, output) in enumerate(lengths[:served])
    ]
    names = {"version": 1, "model": "simulated", "workload": "simulated", "reason": None}
    return {**names, "requests": requests, "sides": [paged, rows], "tour": []}


class Simulation:
    """First come, first served. A request comes in if all blocks that it will ever need are uncommitted."""

    def __init__(self, lengths: list[list[int]], cells: int, size: int) -> None:
        self.lengths, self.cells, self.size = lengths, cells, size
        self.free = deque(range(cells))
        self.tables: dict[int, list[int]] = {}
        self.begun: dict[int, int] = {}
        self.next = self.committed = 0
        self.changes: list[list[int]] = []
        self.events: list[int] = []
        self.slots: list[tuple[int, int, int]] = []
        self.tokens: list[list[int]] = [[] for _ in lengths]

    def side(self, engine: str, steps: int) -> dict[str, Any]:
        """Run `steps` steps."""
        running, admitted = [], []
        for step in range(steps):
            self.changes.append([*self._end(step), *self._grow(step), *self._admit(step)])
            self.slots.append(self._split(step))
            running.append(len(self.tables))
            admitted.append(self.next)
            for request in self.tables:
                if self._stored(request, step) == self._final(request):
                    self.events += [step, COMPLETED, request]
        nothing = [0] * steps
        live, reserved, internal = map(list, zip(*self.slots, strict=True))
        waiting = [self.next - so_far for so_far in admitted]  # those that come in later in these steps
        return {
            "engine": engine,
            "form": "paged",
            "source": "A simulation.",
            "cells": self.cells,
            "first_block": 0,
            "cell_slots": self.size,
            "pool_slots": self.cells * self.size,
            "slot_bytes": SLOT_BYTES,
            "every": 1,
            "t_us": [STEP_US] * steps,
            "running": running,
            "waiting": waiting,
            "live": live,
            "reserved": reserved,
            "internal": internal,
            "padding": nothing,
            "finished": nothing,
            "changes": self.changes,
            "tokens": self.tokens,
            "events": self.events,
            "final": [prompt + output - 1 for prompt, output in self.lengths],
        }

    def _final(self, request: int) -> int:
        prompt, output = self.lengths[request]
        return prompt + output - 1

    def _stored(self, request: int, step: int) -> int:
        return self.lengths[request][0] + step - self.begun[request]

    def _blocks(self, tokens: int) -> int:
        return -(-tokens // self.size)

    def _take(self, request: int, tokens: int) -> Iterator[int]:
        table = self.tables[request]
        while len(table) < self._blocks(tokens):
            table.append(self.free.popleft())
            yield from (request, len(table) - 1, table[-1])

    def _end(self, step: int) -> Iterator[int]:
        over = [request for request in self.tables if self._stored(request, step) > self._final(request)]
        for request in over:
            self.free.extend(reversed(self.tables.pop(request)))
            self.committed -= self._blocks(self._final(request))
            self.tokens[request] += [step, -1]
            yield from (request, -1, -1)

    def _grow(self, step: int) -> Iterator[int]:
        for request in self.tables:
            yield from self._take(request, self._stored(request, step))

    def _admit(self, step: int) -> Iterator[int]:
        while self.next < len(self.lengths) and self._fits(self.next):
            request = self.next
            self.next += 1
            self.committed += self._blocks(self._final(request))
            self.tables[request], self.begun[request] = [], step
            self.tokens[request] = [step, self.lengths[request][0]]
            self.events += [step, ADMITTED, request]
            yield from self._take(request, self.lengths[request][0])

    def _fits(self, request: int) -> bool:
        return self.committed + self._blocks(self._final(request)) <= self.cells

    def _split(self, step: int) -> tuple[int, int, int]:
        """Live, reserved and internal slots after a step."""
        live = used = held = 0
        for request, table in self.tables.items():
            room = len(table) * self.size
            live += self._stored(request, step)
            used += min(self._final(request), room)
            held += room
        return live, used - live, held - used
