"""Reads formats of which only lengths matter as columns: a file of ten million requests makes no object of each.

Arrow parses a block of lines at once. Where it cannot, or where a request has to be refused, the block is read again
line by line by the format's exact reader, which alone decides what is right and words the errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kvbench.workload.check import Limit
from kvbench.workload.formats.file_text import line_blocks, text_lines
from kvbench.workload.rows import MOST, Row, require_new
from kvbench.workload.selection import Selection


@dataclass(frozen=True)
class Block:
    """n requests of consecutive lines of a file."""

    line: NDArray[np.int64]  # (n,) from 1
    prompt_tokens: NDArray[np.float64]  # (n,) as read, so perhaps no whole numbers; NaN: missing
    output_tokens: NDArray[np.float64]  # (n,) the same
    arrival_s: NDArray[np.float64]  # (n,)
    hashes: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None  # ids of all prompts, and (n,) numbers of each's

    def __len__(self) -> int:
        return len(self.line)

    def where(self, kept: NDArray[np.bool_]) -> Block:
        """The requests for which `kept`, shape (n,), is true."""
        columns = (self.line, self.prompt_tokens, self.output_tokens, self.arrival_s)
        hashes = None
        if self.hashes is not None:
            ids, counts = self.hashes
            hashes = ids[np.repeat(kept, counts)], counts[kept]
        return Block(*(column[kept] for column in columns), hashes)


class Lines(Protocol):
    """Reads lines of one file in one format."""

    clock: str  # what the file calls the time of a request
    block_tokens: int  # tokens of a block that has a hash; 0: the format has none
    named: bool  # whether the file has ids of its own for requests

    def row(self, place: str, line: str, number: int) -> Row | None:
        """The request of a line, None for a line without one; the place of a bad turn has its fault."""

    def block(self, first: int, block: bytes) -> Block | None:
        """The requests of a block of whole lines, one each, the first with number `first`; None if in doubt."""


def selected(file: Path, reader: Lines, selection: Selection, limit: Limit) -> Iterator[Block]:
    """The requests of a file by block, without those that `selection` skips; UserError for the first refused one."""
    seen: dict[str, str] = {}
    for first, block in line_blocks(file):
        found = reader.block(first, block)
        in_lines = block.count(b"\n") + (not block.endswith(b"\n"))
        if found is not None:
            found = _quickly(file, found, selection, limit) if len(found) == in_lines else None
        yield _exactly(file, reader, text_lines(file, first, block), selection, limit, seen) if found is None else found


def _quickly(file: Path, found: Block, selection: Selection, limit: Limit) -> Block | None:
    """The requests of a block without those that are skipped; None if one would be refused or is in doubt."""
    prompt, output = found.prompt_tokens, found.output_tokens
    with np.errstate(invalid="ignore"):
        bad = ~((prompt > 0) & (output > 0))
        doubt = (prompt % 1 != 0) & ~np.isnan(prompt) | (output % 1 != 0) & ~np.isnan(output)
        doubt |= (prompt < 0) | (output < 0) | (prompt >= MOST) | (output >= MOST) | ~(np.abs(found.arrival_s) < np.inf)
        long = ~bad & (prompt + output > limit.tokens)
    refused = doubt | (bad & (selection.bad_turns == "refuse")) | (long & (selection.too_long == "refuse"))
    if refused.any():
        return None
    selection.in_file += len(found)
    if not (bad.any() or long.any()):
        return found
    selection.leave_out(file, found.line[bad], found.line[long], limit)
    return found.where(~(bad | long))


def _exactly(
    file: Path,
    reader: Lines,
    lines: Iterable[tuple[int, str]],
    selection: Selection,
    limit: Limit,
    seen: dict[str, str],
) -> Block:
    """The requests of numbered lines without those that are skipped; `seen` are the ids so far, if the file has any."""
    rows, numbers = [], []
    for number, line in lines:
        row = reader.row(f"{file}: line {number}", line, number)
        if row is None or not selection.admits(row):
            continue
        if reader.named:
            require_new(row, seen)
        if selection.fits(row, row.prompt_tokens, limit):
            rows.append(row)
            numbers.append(number)
    found = Block(
        np.array(numbers, np.int64),
        np.array([row.prompt_tokens for row in rows], float),
        np.array([row.output_tokens for row in rows], float),
        np.array([row.arrival_s for row in rows], float),
    )
    if not rows or rows[0].hash_ids is None:
        return found
    ids = [row.hash_ids for row in rows]
    return replace(found, hashes=(np.concatenate(ids), np.array([len(one) for one in ids], np.int64)))
