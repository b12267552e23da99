"""The requests of a file of which only lengths, arrivals and perhaps identities of blocks are known, as columns."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kvbench.errors import UserError
from kvbench.workload.block_ids import BlockIds, chained
from kvbench.workload.check import Limit
from kvbench.workload.formats.by_content import lines_of
from kvbench.workload.formats.columns import Block, selected
from kvbench.workload.request_file import RequestFile
from kvbench.workload.selection import Selection


@dataclass(frozen=True)
class LengthColumns:
    """R requests in the order of their file, by which they arrive."""

    prompt_tokens: NDArray[np.int32]  # (R,)
    output_tokens: NDArray[np.int32]  # (R,)
    arrival_s: NDArray[np.float64]  # (R,) as the file has them, from its first request on
    last_place: str  # of the last request, which is the latest
    blocks: BlockIds | None = None  # if asked for and the format has them

    def __len__(self) -> int:
        return len(self.prompt_tokens)


def read_lengths(
    source: RequestFile, selection: Selection, limit: Limit, most: float = math.inf, *, with_blocks: bool = False
) -> LengthColumns:
    """The first `most` requests that `selection` does not skip; the others are read and counted too.

    Raises:
        UserError: the first fault, as `file: line n: reason`; a request that arrives before the one in front of it;
            no request.
    """
    reader = lines_of(source)
    gathered = _Gathered(source.path, reader.clock, most, with_blocks)
    for block in selected(source.path, reader, selection, limit):
        gathered.add(block)
    selection.require_any(range(gathered.count), source.path)
    return gathered.columns(reader.block_tokens)


@dataclass
class _Gathered:
    """Blocks put together; `before` is when the last request arrives."""

    file: Path
    clock: str
    most: float
    with_blocks: bool
    count: int = 0
    before: float = 0.0
    last_line: int = 0
    parts: dict[str, list[NDArray]] = field(default_factory=lambda: {name: [] for name in ("p", "o", "a", "i", "n")})

    def add(self, block: Block) -> None:
        if len(block) > self.most - self.count:
            block = block.where(np.arange(len(block)) < self.most - self.count)
        if not len(block):
            return
        self._require_order(block)
        self.count, self.before, self.last_line = self.count + len(block), block.arrival_s[-1], int(block.line[-1])
        columns = {"p": block.prompt_tokens.astype(np.int32), "o": block.output_tokens.astype(np.int32)}
        columns["a"] = block.arrival_s
        if self.with_blocks and block.hashes is not None:
            columns["i"], columns["n"] = block.hashes
        for name, values in columns.items():
            self.parts[name].append(values)

    def _require_order(self, block: Block) -> None:
        gaps = np.diff(block.arrival_s, prepend=self.before)
        if (back := np.flatnonzero(gaps < 0)).size:
            at = int(back[0])
            before = block.arrival_s[at - 1] if at else self.before
            raise UserError(
                f"{self.file}: line {block.line[at]}: arrives at {block.arrival_s[at]:.10g} s, the previous request at "
                f"{before:.10g} s; sort the file by {self.clock}"
            )

    def columns(self, block_tokens: int) -> LengthColumns:
        blocks = None
        if self.parts["i"]:
            blocks = chained(self._whole("i"), self._whole("n"), block_tokens)
        place = f"{self.file}: line {self.last_line}"
        return LengthColumns(self._whole("p"), self._whole("o"), self._whole("a"), place, blocks)

    def _whole(self, name: str) -> NDArray:
        """One array in place of the parts, which are let go."""
        return np.concatenate(self.parts.pop(name))


def of_rows(lengths: Iterable[tuple[int, int, float]], last_place: str) -> LengthColumns:
    """Columns of requests that were read one by one: (prompt tokens, output tokens, arrival in seconds) of each."""
    prompt, output, arrival_s = zip(*lengths, strict=True)
    return LengthColumns(np.array(prompt, np.int32), np.array(output, np.int32), np.array(arrival_s, float), last_place)
