"""Block tables and tokens as they change from one reading to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kvbench.blockmap.events import ADMITTED, COMPLETED, PREEMPTED, PREFIX_HIT, Events
from kvbench.kv.checks import check_equal


@dataclass
class Held:
    """What a request held when it was last read."""

    cells: list[list[int]]  # of each of its block tables
    step: int
    tokens: int
    ended: bool


class Tables:
    """Changes, tokens, prefix hits and events of a paged side, from readings in order of steps.

    A request has `tables` block tables, which changes number: the first of request r is r * tables.
    """

    def __init__(self, steps: int, final: Sequence[int], tables: int = 1) -> None:
        self.final, self.tables = final, tables
        self.changes: list[list[int]] = [[] for _ in range(steps)]
        self.tokens: list[list[int]] = [[] for _ in final]
        self.hits: list[list[int]] = [[] for _ in final]
        self.done: list[int | None] = [None] * len(final)  # the step from which a request is complete
        self.events = Events()
        self.held: dict[int, Held] = {}

    def read(self, step: int, request: int, cells: list[list[int]], tokens: int, hits: int, ended: bool) -> None:
        """A request holds these cells in its tables; the first `hits` of each were found when it was admitted."""
        before = self.held.get(request)
        if before is not None and not ended and tokens < before.tokens:
            self.preempted(step, request)
            before = None
        if before is None:
            self._admitted(step, request, hits)
        for table in range(self.tables):
            self._change(step, request * self.tables + table, before.cells[table] if before else [], cells[table])
        self.held[request] = Held(cells, step, tokens, ended)
        if ended:
            self._ended(step, request, before)
        elif self._predicted(step, request) != tokens:
            self.tokens[request] += [step, tokens]

    def preempted(self, step: int, request: int) -> None:
        """A request no longer holds what it held, and will come back: so it never had all its tokens."""
        if self._predicted(step - 1, request) >= self.final[request]:
            self.tokens[request] += [step - 1, self.final[request] - 1]
        self._empty(step, request)
        self._no_tokens(step, request)
        self.events.add(step, PREEMPTED, request)

    def completed(self, step: int, request: int) -> None:
        """A request no longer holds anything, and does not come back."""
        before = self.held[request]
        if not before.ended:
            self._ended(step, request, before)
        self._empty(step, request)
        self._no_tokens(step, request)

    def overtaken(self, step: int, request: int) -> None:
        """A request lost its blocks while its last token was under way: it waits in this step, and is then complete."""
        check_equal("tokens of a request that ended while it waited", self.held[request].tokens, self.final[request])
        self._empty(step, request)
        self.tokens[request] += [step, self.final[request], step + 1, -1]
        self.done[request] = step + 1
        self.events.add(step - 1, COMPLETED, request)
        self.events.add(step, PREEMPTED, request)

    def unseen(self, step: int, request: int) -> None:
        """A request came and went between two readings; `step` is the last in which it ran."""
        self.tokens[request] += [step, self.final[request], step + 1, -1]
        self.done[request] = step + 1
        self.events.add(step, ADMITTED, request)
        self.events.add(step, COMPLETED, request)

    def _admitted(self, step: int, request: int, hits: int) -> None:
        self.events.add(step, ADMITTED, request)
        if hits:
            self.events.add(step, PREFIX_HIT, request)
        if hits != (self.hits[request][-1] if self.hits[request] else 0):
            self.hits[request] += [step, hits]

    def _change(self, step: int, table: int, old: list[int], new: list[int]) -> None:
        kept = len(old)
        if len(new) < kept:
            self.changes[step] += [table, -1, -1]
            old, kept = [], 0
        if new[:kept] != old:
            for logical in range(kept):
                if old[logical] != new[logical]:
                    self.changes[step] += [table, logical, new[logical]]
        for logical in range(kept, len(new)):
            self.changes[step] += [table, logical, new[logical]]

    def _ended(self, step: int, request: int, before: Held | None) -> None:
        """At `step` a request is complete; it was last read running as `before`."""
        if self.done[request] is not None:
            return
        self.done[request] = step
        final = self.final[request]
        if before is not None and before.step == step - 1:
            check_equal("tokens of a request in its last step", before.tokens, final)
        elif self._predicted(step - 1, request) < final:
            self.tokens[request] += [step - 1, final]
        last = step - 1 if before is None else min(step - 1, before.step + final - before.tokens)
        self.events.add(last, COMPLETED, request)
        if self._predicted(step, request) <= final:
            self._no_tokens(step, request)

    def _empty(self, step: int, request: int) -> None:
        for table in range(self.tables):
            self.changes[step] += [request * self.tables + table, -1, -1]
        del self.held[request]

    def _no_tokens(self, step: int, request: int) -> None:
        if self.tokens[request] and self.tokens[request][-1] >= 0:
            self.tokens[request] += [step, -1]

    def _predicted(self, step: int, request: int) -> int:
        """Tokens by the last pair; -1: none."""
        pairs = self.tokens[request]
        return pairs[-1] + step - pairs[-2] if pairs and pairs[-1] >= 0 else -1
