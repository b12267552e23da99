"""Reads Mooncake's traces (github.com/kvcache-ai/Mooncake): JSONL with lengths and hashes of blocks of prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.errors import UserError
from kvbench.workload.formats.arrow_blocks import arrays, json_block, line_numbers
from kvbench.workload.formats.columns import Block
from kvbench.workload.formats.json_lines import entry_of
from kvbench.workload.rows import Row, is_number, length, row_of

BLOCK_TOKENS = 512
TIME, PROMPT, OUTPUT, HASHES = KEYS = ("timestamp", "input_length", "output_length", "hash_ids")
MOST = 1 << 62


class MooncakeLines:
    """The lines of one file; arrivals are counted from its first request on. Other keys are not read."""

    clock, block_tokens, named = TIME, BLOCK_TOKENS, False

    def __init__(self, file: Path) -> None:
        self.file, self.origin_ms = file, None

    def row(self, place: str, line: str, number: int) -> Row | None:
        """The request of a line; its `hash_ids` are those of full blocks."""
        if not line.strip():
            return None
        return row_of(place, self._row, entry_of(line, place), number)

    def _row(self, place: str, entry: dict[str, Any], line: int) -> Row:
        if missing := [key for key in KEYS if key not in entry]:
            raise UserError(f"{place}: no {missing[0]}; mooncake has {', '.join(KEYS)}")
        time_ms = entry[TIME]
        if not is_number(time_ms):
            raise UserError(f"{place}: {TIME} is {time_ms!r}; give milliseconds")
        self.origin_ms = float(time_ms) if self.origin_ms is None else self.origin_ms
        row = Row(place, str(line), arrival_s=(time_ms - self.origin_ms) / 1e3)
        row.prompt_tokens = length(entry[PROMPT], PROMPT, place)
        row.output_tokens = length(entry[OUTPUT], OUTPUT, place)
        row.hash_ids = _full(entry[HASHES], row.prompt_tokens, place)
        return row

    def block(self, first: int, block: bytes) -> Block | None:
        """The requests of a block; None if one has a wrong number of hashes or a value of another kind."""
        import pyarrow as pa

        table = json_block(block, {**dict.fromkeys(KEYS[:3], pa.float64()), HASHES: pa.list_(pa.int64())})
        if table is None or table.column(HASHES).null_count or (found := arrays(table, KEYS[:3])) is None:
            return None
        time_ms, prompt, output = found.values()
        lists = table.column(HASHES).combine_chunks()
        counts, ids = np.diff(lists.offsets.to_numpy()), lists.flatten().to_numpy(zero_copy_only=False)
        short = counts - np.floor(prompt / BLOCK_TOKENS)
        if not np.isfinite(time_ms).all() or not np.isin(short, (0, 1)).all() or (short > prompt % BLOCK_TOKENS).any():
            return None
        if ids.dtype != np.int64 or ((ids < 0) | (ids >= MOST)).any():
            return None
        self.origin_ms = float(time_ms[0]) if self.origin_ms is None else self.origin_ms
        full = np.ones(len(ids), bool)
        full[np.cumsum(counts)[short == 1] - 1] = False
        arrival_s = (time_ms - self.origin_ms) / 1e3
        return Block(line_numbers(first, len(counts)), prompt, output, arrival_s, (ids[full], counts - (short == 1)))


def _full(value: Any, prompt_tokens: int, place: str) -> NDArray[np.int64]:
    """The hashes of a prompt's full blocks; a last block that is not full may have one too."""
    if not isinstance(value, list) or not all(type(one) is int and 0 <= one < MOST for one in value):
        raise UserError(f"{place}: {HASHES} is not a list of whole numbers from 0 to 2^62; give an id for each block")
    full, rest = divmod(prompt_tokens, BLOCK_TOKENS)
    if len(value) not in (full, full + (rest > 0)):
        problem = f"{len(value)} {HASHES} for {PROMPT} {prompt_tokens}, which is {full + (rest > 0)} blocks of"
        raise UserError(f"{place}: {problem} {BLOCK_TOKENS} tokens; use a trace with blocks of {BLOCK_TOKENS}")
    return np.array(value[:full], np.int64)
