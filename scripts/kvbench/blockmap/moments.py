"""Moments of a side with blocks that its data has, each with what was measured there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kvbench.blockmap.events import COMPLETED, PREEMPTED, PREFIX_HIT
from kvbench.blockmap.walk import Walk
from kvbench.blockmap.wording import Names, at, counted, doing, holding

Stop = dict[str, Any]
Change = tuple[int, int, int]
PARTS_OF_RUN = 16


def part_of(step: int, side: dict[str, Any]) -> int:
    """The sixteenth of a side's steps that a step is in; in a shorter run the step itself."""
    return step * min(PARTS_OF_RUN, len(side["t_us"])) // len(side["t_us"])


class Scout:
    """Looks for moments while it goes through a side's steps once."""

    def __init__(self, requests: Sequence[dict[str, Any]], sides: Sequence[dict[str, Any]], number: int) -> None:
        """Of side `number` of `sides`."""
        side = sides[number]
        self.requests, self.side, self.number, self.walk = requests, side, number, Walk(side)
        self.names = Names(requests)
        self.size = side.get("block_tokens") or side["cell_slots"]  # tokens of a block
        self.several = self.walk.each > 1  # block tables of a request
        self.unit = "page" if any(table["pages"] > 1 for table in side.get("tables", ())) else "block"
        self.first = -1  # step of the first block
        self.most = max(side["running"], default=0)
        self.freed: dict[int, tuple[int, int, int]] = {}  # cell -> request that ended, its last step, its blocks
        self.kinds: dict[int, list[tuple[int, int]]] = {}
        flat = side["events"]
        for step, kind, request in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
            self.kinds.setdefault(step, []).append((kind, request))
        self.ends = {
            request: step for step, found in self.kinds.items() for kind, request in found if kind == COMPLETED
        }

    def stops(self) -> dict[str, list[Stop]]:
        """The moments that there were, by name: of each part of the run the first one of that name."""
        during: dict[str, Callable[[list[Change]], Stop | None]] = {
            "edge": self.crosses_an_edge,
            "reuse": self.takes_freed_blocks,
            "preempted": self.is_preempted,
            "prefix": self.finds_a_prefix,
            "window": self.gives_blocks_back,
        }
        found: dict[str, dict[int, Stop]] = {}
        for changes in self.walk.steps():
            self._note_freed(changes)
            self._after(self.walk.step - 1, found)
            if "first" not in found and (stop := self.first_block(changes)):
                found["first"], self.first = {0: stop}, self.walk.step
            for name, look in during.items():
                self._note(found, name, self.walk.step, lambda _, look=look, changes=changes: look(changes))
        self._after(self.walk.step, found)
        return {name: list(parts.values()) for name, parts in found.items()}

    def _after(self, step: int, found: dict[str, dict[int, Stop]]) -> None:
        """What is seen when the changes of a step have been made."""
        if step >= 0:
            self._note(found, "queue", step, self.queue_waits)
            self._note(found, "most", step, self.most_at_once)

    def _note(
        self, found: dict[str, dict[int, Stop]], name: str, step: int, look: Callable[[int], Stop | None]
    ) -> None:
        """Look for a moment at a step, if its part of the run has none of that name, or one beside the first block."""
        part = part_of(step, self.side)
        held = found.get(name, {}).get(part)
        if (held is None or held["step"] == self.first) and (stop := look(step)):
            found.setdefault(name, {})[part] = stop

    def first_block(self, changes: list[Change]) -> Stop | None:
        """The first block of all."""
        if not changes:
            return None
        table, _, cell = changes[0]
        request = self.walk.request(table)
        held = counted(len(self.walk.taken(request, changes)), self.unit)
        where = f"{held} of {counted(self.size, 'slot')} each"
        if self.several:
            where = f"{held} of {self.size:,} tokens, in {self.walk.each} block tables, one for each group of layers"
        text = (
            f"{self.names.of(request)} is admitted with a prompt of "
            f"{counted(self.requests[request]['prompt_tokens'], 'token')}. "
            f"{counted(self.walk.tokens(request), 'token')} are in the cache after this step, in {where}. Its first "
            f"{self.unit} is number {self.block(cell)}; the pool has {self.side['cells']:,}."
        )
        return self.stop("The first block", text, request, cell)

    def crosses_an_edge(self, changes: list[Change]) -> Stop | None:
        """A request that generates needs a block more."""
        for table, logical, cell in changes:
            request, size = self.walk.request(table), self.size
            tokens = self.walk.tokens(request)
            one_more = tokens == self.walk.tokens(request, self.walk.step - 1) + 1
            if one_more and logical > 0 and logical == len(self.walk.tables.get(table, [])):
                filled = "whole blocks" if "tables" in self.side else f"its {counted(logical, 'block')}"
                text = (
                    f"{self.names.of(request)} had filled {filled} with {logical * size:,} tokens. "
                    f"Token {tokens:,} goes into one more, {self.unit} {self.block(cell)}: "
                    f"{tokens - logical * size} of its {counted(size, 'slot')} is filled."
                )
                if self.several:
                    same = sum(1 for other, at, _ in changes if self.walk.request(other) == request and at == logical)
                    text = (
                        f"{self.names.of(request)} had filled whole blocks with {logical * size:,} tokens. Token "
                        f"{tokens:,} goes into one more in {same} of its {self.walk.each} block tables, "
                        f"{self.unit} {self.block(cell)} first."
                    )
                return self.stop("A request crosses the edge of a block", text, request, cell)
        return None

    def takes_freed_blocks(self, changes: list[Change]) -> Stop | None:
        """A block of a request that has ended goes to another one."""
        for table, logical, cell in changes:
            request = self.walk.request(table)
            if logical < 0 or cell not in self.freed or self.freed[cell][0] == request:
                continue
            ended, last, blocks = self.freed[cell]
            taken = {page for page in self.walk.taken(request, changes) if self.freed.get(page, (-1,))[0] == ended}
            text = (
                f"{self.names.of(ended)} generated its last token in step {last:,} and gave back "
                f"{counted(blocks, self.unit)}. Now {self.names.of(request)} takes {counted(len(taken), self.unit)} of "
                f"these, {self.unit} {self.block(cell)} first."
            )
            return self.stop("One ends, and another takes its blocks", text, request, cell)
        return None

    def gives_blocks_back(self, changes: list[Change]) -> Stop | None:
        """Tokens have left a window, and the blocks that held them are given back inside a request."""
        for table, logical, cell in changes:
            held = self.walk.tables.get(table, [])
            if cell >= 0 or not 0 <= logical < len(held) or held[logical] < 0:
                continue
            request, kind = self.walk.request(table), self._kind(table)
            own = [c for c in changes if self.walk.request(c[0]) == request and c[1] >= 0 and c[2] < 0]
            until = max(at for other, at, _ in own if self._kind(other) == kind) + 1
            text = (
                f"{self.names.of(request)} has {counted(self.walk.tokens(request), 'token')}. Layers with a window of "
                f"{kind['window']:,} no longer attend to its first {until * self.size:,}, and it gives "
                f"{counted(len(own), self.unit)} of these back, {self.unit} {self.block(held[logical])} first. The "
                f"other {len(self.walk.cells(request)) - len(own):,} it keeps."
            )
            return self.stop("Tokens leave a window", text, request, held[logical])
        return None

    def is_preempted(self, changes: list[Change]) -> Stop | None:
        """A request loses its blocks, and needs them again."""
        for kind, request in self.kinds.get(self.walk.step, []):
            if kind == PREEMPTED and self.walk.step <= self.ends[request]:
                blocks = len(self.walk.cells(request))
                text = (
                    f"{self.names.of(request)} loses its {counted(blocks, self.unit)} with "
                    f"{counted(self.walk.tokens(request, self.walk.step - 1), 'token')}, and waits again. "
                    f"{counted(self.walk.free, self.unit)} were free before this step. What it has generated so far is "
                    "kept as text; its keys and values have to be computed again."
                )
                return self.stop("A request is preempted", text, request, None)
        return None

    def finds_a_prefix(self, changes: list[Change]) -> Stop | None:
        """A request begins with blocks that are there already."""
        for kind, request in self.kinds.get(self.walk.step, []):
            if kind == PREFIX_HIT:
                pairs = self.side["hits"][request]
                hits = dict(zip(pairs[::2], pairs[1::2], strict=True)).get(self.walk.step, 0)
                found = [c for c in changes if self.walk.request(c[0]) == request and 0 <= c[1] < hits and c[2] >= 0]
                cell = found[0][2] if found else None
                text = (
                    f"{self.names.of(request)} finds the first {hits * self.size:,} of its "
                    f"{counted(self.requests[request]['prompt_tokens'], 'prompt token')} in the cache, in "
                    f"{counted(len(found), 'block')} that it does not fill again."
                )
                return self.stop("A shared prefix", text, request, cell)
        return None

    def queue_waits(self, step: int) -> Stop | None:
        """After a step's changes: the free blocks do not hold the next request of the queue."""
        waiting = self.side["waiting"][step]
        if not waiting or not self.walk.tables:
            return None
        arrives = self.side.get("arrives") or [0] * len(self.requests)
        request = next((r for r in range(len(arrives)) if self._waits(r, step, arrives)), None)
        if request is None:
            return None
        prompt = self.requests[request]["prompt_tokens"]
        needed = self._needed(prompt)
        if self.walk.free >= needed:
            return None
        text = (
            f"{doing(waiting, 'request', 'wait')}, {self.side['running'][step]:,} running. The next one, "
            f"{self.names.of(request)}, needs {counted(needed, self.unit)} for its prompt of "
            f"{counted(prompt, 'token')}; {self.walk.free:,} of {self.side['cells']:,} are free."
        )
        return self.stop("The queue waits for blocks", text, request, None, step)

    def most_at_once(self, step: int) -> Stop | None:
        """After a step's changes: as many requests run as ever in this run."""
        if self.side["running"][step] < self.most:
            return None
        text = (
            f"{doing(self.most, 'request', 'run')}, the most of this run, in {self.walk.used:,} of "
            f"{counted(self.side['cells'], self.unit)}. {holding(self.side, step)}."
        )
        return self.stop("The most requests at once", text, None, None, step)

    def stop(self, title: str, text: str, request: int | None, cell: int | None, step: int | None = None) -> Stop:
        """A stop at a step (None: this one), which its text names."""
        step = self.walk.step if step is None else step
        where = f", in {self.side['engine']}" if self.number else ""
        text = f"{at(self.walk.times, step)}{where}: {text}"
        return {"title": title, "text": text, "side": self.number, "step": step, "request": request, "cell": cell}

    def block(self, cell: int) -> str:
        """The engine's own number of a block."""
        return f"{cell + self.side.get('first_block', 0):,}"

    def _needed(self, tokens: int) -> int:
        """Cells that so many tokens take when they are computed at once."""
        if "tables" not in self.side:
            return -(-tokens // self.size)
        needed = 0
        for number, table in enumerate(self.side["tables"]):
            stored = min(tokens, self._kind(number)["window"]) if table["ring"] else tokens
            needed += -(-stored // self.size) * table["pages"]
        return needed

    def _kind(self, table: int) -> dict[str, Any]:
        """The kind of layers of a table, where there are several or a window."""
        return self.side["groups"][self.side["tables"][table % self.walk.each]["group"]]

    def _waits(self, request: int, step: int, arrives: Sequence[int]) -> bool:
        holds = request * self.walk.each in self.walk.tables
        return not holds and arrives[request] <= step < self.ends.get(request, step + 1)

    def _note_freed(self, changes: list[Change]) -> None:
        for table, logical, _ in changes:
            request = self.walk.request(table)
            if logical < 0 and self.ends.get(request, self.walk.step) < self.walk.step:
                cells = self.walk.cells(request)
                self.freed |= {cell: (request, self.ends[request], len(cells)) for cell in cells}
