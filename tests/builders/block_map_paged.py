"""A paged side of a block map: blocks on demand, preemption, a shared prefix."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from builders.block_map_recorder import ADMITTED, BLOCK_ADDED, COMPLETED, PREEMPTED, PREFIX_HIT, Recorder
from builders.simulated_requests import Request
from kvbench.kv.split import Split, blocks_for, split_paged


class PagedPool:
    """A free list of blocks; a block of a shared prefix has several holders."""

    def __init__(self, blocks: int, block_size: int):
        self.free = deque(range(blocks))
        self.size = block_size
        self.holders = [0] * blocks
        self.prefix: list[int] = []

    def take(self) -> int:
        cell = self.free.popleft()
        self.holders[cell] = 1
        return cell

    def release(self, cells: Sequence[int]) -> None:
        for cell in reversed(cells):
            self.holders[cell] -= 1
            if self.holders[cell] == 0:
                self.free.append(cell)
                self.prefix = [kept for kept in self.prefix if kept != cell] if cell in self.prefix else self.prefix


@dataclass
class PagedRun:
    """First come, first served: blocks on demand; without a free block the request that came last is preempted."""

    requests: Sequence[Request]
    pool: PagedPool
    chunk: int
    shared_prefix: int
    out: Recorder
    waiting: deque[int] = field(default_factory=deque)
    running: list[int] = field(default_factory=list)
    stored: dict[int, int] = field(default_factory=dict)
    generated: list[int] = field(default_factory=list)

    def run(self) -> Recorder:
        self.waiting = deque(range(len(self.requests)))
        self.generated = [0] * len(self.requests)
        while self.waiting or self.running:
            preempted = self.grow_running()
            if not preempted:
                self.admit()
            assert self.running, "the pool is too small for the first request"
            self.out.record(self.stored, self.split(), len(self.running), len(self.waiting))
            self.finish_step()
        return self.out

    def advance(self, request: int) -> int:
        """Tokens after the next step: a piece of those not in the cache yet."""
        known = self.requests[request].prompt + self.generated[request]
        return min(known, self.stored.get(request, 0) + self.chunk)

    def grow_running(self) -> bool:
        preempted = False
        for request in list(self.running):
            if request not in self.running:
                continue
            needed = int(blocks_for(self.advance(request), self.pool.size)) - len(self.out.now[request])
            while needed > len(self.pool.free) and request in self.running:
                self.preempt(self.running[-1])
                preempted = True
            if request in self.running:
                for _ in range(needed):
                    self.out.give(request, self.pool.take())
                    self.out.event(BLOCK_ADDED, request)
                self.stored[request] = self.advance(request)
        return preempted

    def preempt(self, request: int) -> None:
        self.out.event(PREEMPTED, request)
        self.drop(request)
        self.waiting.appendleft(request)

    def drop(self, request: int) -> None:
        self.pool.release(self.out.now[request])
        self.out.empty(request)
        self.running.remove(request)
        del self.stored[request]

    def admit(self) -> None:
        while self.waiting:
            request = self.waiting[0]
            hits = self.pool.prefix if self.requests[request].prompt > self.shared_prefix else []
            self.stored[request] = len(hits) * self.pool.size
            needed = int(blocks_for(self.advance(request), self.pool.size)) - len(hits)
            if needed > len(self.pool.free):
                del self.stored[request]
                return
            self.running.append(self.waiting.popleft())
            self.out.event(ADMITTED, request)
            self.place(request, list(hits), needed)

    def place(self, request: int, hits: list[int], needed: int) -> None:
        if hits:
            self.out.event(PREFIX_HIT, request)
        for cell in hits:
            self.pool.holders[cell] += 1
            self.out.give(request, cell)
        for _ in range(needed):
            self.out.give(request, self.pool.take())
        self.stored[request] = self.advance(request)
        if self.shared_prefix and not self.pool.prefix and self.stored[request] >= self.shared_prefix:
            self.pool.prefix = self.out.now[request][: self.shared_prefix // self.pool.size]

    def split(self) -> Split:
        """Every request has its own tail; a shared block, which is full, counts once."""
        held = list(self.running)
        final = [self.requests[request].final for request in held]
        own = split_paged([self.stored[r] for r in held], final, np.zeros(len(held), bool), self.pool.size).sum()
        used = len({cell for cells in self.out.now.values() for cell in cells}) * self.pool.size
        return own._replace(live=used - own.reserved - own.internal)

    def finish_step(self) -> None:
        """Requests with all known tokens in the cache generate one; the complete ones give their blocks back."""
        for request in list(self.running):
            wanted = self.requests[request]
            if self.stored[request] == wanted.prompt + self.generated[request]:
                self.generated[request] += 1
            if self.generated[request] == wanted.output:
                self.out.events += [self.out.step - 1, COMPLETED, request]
                self.drop(request)


def paged_side(
    requests: Sequence[Request],
    *,
    engine: str = "vllm",
    blocks: int = 40,
    block_size: int = 16,
    chunk: int = 512,
    shared_prefix: int = 0,
) -> tuple[dict[str, Any], list[dict[int, list[int]]]]:
    """A paged side. `shared_prefix`: tokens, in whole blocks, with which every longer prompt begins."""
    pool = PagedPool(blocks, block_size)
    out = PagedRun(requests, pool, chunk, shared_prefix, Recorder(requests)).run()
    source = "A simulation: blocks on demand, read at every step."
    sizes = {"cells": blocks, "cell_slots": block_size, "pool_slots": blocks * block_size}
    return out.side(engine=engine, form="paged", source=source, **sizes), out.holds
