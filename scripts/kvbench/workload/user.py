"""Reads users' own requests, adds token ids and checks them; every error names the file, line and reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from kvbench.errors import UserError
from kvbench.workload.check import Limit
from kvbench.workload.formats.by_content import read_rows
from kvbench.workload.prompts import make_prompts
from kvbench.workload.rows import Row
from kvbench.workload.selection import Selection, stamped
from kvbench.workload.table import workload_table
from kvbench.workload.vocabulary import Vocabulary

BATCH = 1024  # texts


def read_user_file(
    file: str | Path, vocabulary: Vocabulary, limit: Limit, seed: int, selection: Selection, live: bool = False
) -> pa.Table:
    """The requests of `file` in its order, as a table of `records.WORKLOAD` with the counts of what was left out.

    Args:
        limit: the longest prompt + output.
        seed: for the prompts that are generated for a CSV of lengths.
        selection: whether too long requests and bad turns are refused or skipped.
        live: whether an engine gets all its requests at once, so that a later arrival is refused.

    Raises:
        UserError: the first fault, as `file: line n: reason`.
    """
    file = Path(file)
    rows = list(read_rows(file, selection))
    if live:
        _refuse_arrivals(rows)
    rows = [row for row in rows if row.prompt_tokens is None or selection.fits(row, row.prompt_tokens, limit)]
    _complete(rows, vocabulary, seed, file)
    rows = [row for row in rows if selection.is_whole(row) and selection.fits(row, len(row.ids), limit)]
    selection.require_any(rows, file)
    table = workload_table(
        [row.request_id for row in rows],
        [row.text for row in rows],
        [row.ids for row in rows],
        [row.output_tokens for row in rows],
        [row.arrival_s for row in rows],
    )
    return stamped(table, selection.counts())


def _refuse_arrivals(rows: list[Row]) -> None:
    for row in rows:
        if row.arrival_s > 0:
            problem = f"arrives at {row.arrival_s:g} s, but engines get all requests at 0 s"
            raise UserError(f"{row.place}: {problem}; set requests_per_s: file in its runs, or leave out arrival_s")


def _complete(rows: list[Row], vocabulary: Vocabulary, seed: int, file: Path) -> None:
    """Fill in what the file does not give: the ids of a text, the length of a reply, a prompt of a given length."""
    texts = [row for row in rows if row.text is not None]
    for row, ids in zip(texts, _encoded([row.text for row in texts], vocabulary, file), strict=True):
        row.ids = np.array(ids, np.int32)
    replies = [row for row in rows if row.reply is not None]
    encoded = _encoded([row.reply for row in replies], vocabulary, file, special=False)
    for row, ids in zip(replies, encoded, strict=True):
        row.output_tokens = len(ids)
    lengths = [row for row in rows if row.prompt_tokens is not None]
    if lengths:
        _make_prompts(lengths, vocabulary, seed)
    for row in rows:
        _check_tokens(row, vocabulary)


def _encoded(texts: list[str], vocabulary: Vocabulary, file: Path, special: bool = True) -> Iterator[list[int]]:
    """Ids of each text, encoded in batches because a tokenizer's own record of a token takes about 100 bytes."""
    for begin in range(0, len(texts), BATCH):
        yield from vocabulary.require_tokenizer(str(file)).encode(texts[begin : begin + BATCH], special=special)


def _make_prompts(rows: list[Row], vocabulary: Vocabulary, seed: int) -> None:
    wanted = np.array([row.prompt_tokens for row in rows])
    prompts, texts = make_prompts(wanted, vocabulary, seed, "user")
    for row, ids, text in zip(rows, prompts, texts, strict=True):
        row.ids, row.text = ids, text


def _check_tokens(row: Row, vocabulary: Vocabulary) -> None:
    """Mark a row whose prompt or reply has no tokens as faulty; UserError if an id is outside the vocabulary."""
    if not len(row.ids) or not row.output_tokens:
        what = "reply" if len(row.ids) else "prompt"
        row.fault = f"{row.place}: the model's tokenizer produces no tokens for the {what}; use other text"
        return
    low, high = int(row.ids.min()), int(row.ids.max())
    if low < 0 or high >= vocabulary.size:
        outside = low if low < 0 else high
        raise UserError(f"{row.place}: token id {outside} is outside the model's vocabulary of {vocabulary.size}")
