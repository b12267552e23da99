"""Collects the steps of one side of a block map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from builders.simulated_requests import Request
from kvbench.kv.split import Split

ADMITTED, BLOCK_ADDED, COMPLETED, PREEMPTED, PREFIX_HIT = range(5)
SLOT_BYTES = 4096


@dataclass
class Recorder:
    """Collects a side's steps. A request's tokens become a pair only where they do not grow by one."""

    requests: Sequence[Request]
    arrays: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in ("t_us", "running", "waiting")})
    splits: list[Split] = field(default_factory=list)
    changes: list[list[int]] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    holds: list[dict[int, list[int]]] = field(default_factory=list)
    now: dict[int, list[int]] = field(default_factory=dict)
    stored: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tokens = [[] for _ in self.requests]
        self.changes.append([])

    @property
    def step(self) -> int:
        return len(self.holds)

    def event(self, kind: int, request: int) -> None:
        self.events += [self.step, kind, request]

    def give(self, request: int, cell: int) -> None:
        table = self.now.setdefault(request, [])
        self.changes[self.step] += [request, len(table), cell]
        table.append(cell)

    def empty(self, request: int) -> None:
        self.now.pop(request)
        self.changes[self.step] += [request, -1, -1]

    def record(self, stored: dict[int, int], split: Split, running: int, waiting: int) -> None:
        for request, pairs in enumerate(self.tokens):
            before, tokens = self.stored.get(request, -1), stored.get(request, -1)
            if tokens != (before + 1 if before >= 0 else -1):
                pairs += [self.step, tokens]
        self.stored = dict(stored)
        self.splits.append(split)
        for name, value in (("t_us", 900 + 35 * len(stored)), ("running", running), ("waiting", waiting)):
            self.arrays[name].append(value)
        self.holds.append({request: list(cells) for request, cells in self.now.items()})
        self.changes.append([])

    def side(self, **values: Any) -> dict[str, Any]:
        parts = {name: [int(getattr(split, name)) for split in self.splits] for name in Split._fields}
        return {
            "slot_bytes": SLOT_BYTES,
            "every": 1,
            **self.arrays,
            **parts,
            "changes": self.changes[: self.step],
            "tokens": self.tokens,
            "final": [request.final for request in self.requests],
            "events": self.events,
            **values,
        }
