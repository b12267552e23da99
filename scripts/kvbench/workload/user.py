"""Reads users' own requests, adds token ids and checks them; every error names the file, line and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kvbench.errors import UserError
from kvbench.workload.check import Limit
from kvbench.workload.formats.by_content import has_only_lengths, read_rows
from kvbench.workload.length_columns import LengthColumns, read_lengths
from kvbench.workload.prompts import make_prompts
from kvbench.workload.request_file import RequestFile
from kvbench.workload.rows import Row
from kvbench.workload.selection import Selection, stamped
from kvbench.workload.table import workload_table
from kvbench.workload.vocabulary import Vocabulary

BATCH = 1024  # texts
Sample = Callable[[int], NDArray[np.int64]]


def read_user_file(
    source: RequestFile,
    vocabulary: Vocabulary,
    limit: Limit,
    seed: int,
    selection: Selection,
    live: bool = False,
    sample: Sample | None = None,
) -> pa.Table:
    """The requests of a file in its order, as a table of `records.WORKLOAD` with the counts of what was left out.

    Args:
        limit: the longest prompt + output.
        seed: for the prompts that are generated where a file has only lengths.
        selection: whether too long requests and bad turns are refused or skipped.
        live: whether an engine gets all its requests at once, so that a later arrival is refused.
        sample: from the number of requests, the places of those that are wanted, in order; by default all.

    Raises:
        UserError: the first fault, as `file: line n: reason`.
    """
    if has_only_lengths(source):
        lengths = read_lengths(source, selection, limit)
        if live and lengths.arrival_s[-1] > 0:
            raise _late(lengths.last_place, lengths.arrival_s[-1])
        table = _of_lengths(source, lengths, vocabulary, seed, sample)
    else:
        rows = list(read_rows(source, selection))
        if live:
            _refuse_arrivals(rows)
        rows = [row for row in rows if row.prompt_tokens is None or selection.fits(row, row.prompt_tokens, limit)]
        _complete(rows, vocabulary, seed, source.path)
        rows = [row for row in rows if selection.is_whole(row) and selection.fits(row, len(row.ids), limit)]
        selection.require_any(rows, source.path)
        table = _of_rows(source, rows)
        table = table if sample is None else table.take(sample(len(table)))
    return stamped(table, selection.counts())


def _of_lengths(
    source: RequestFile, lengths: LengthColumns, vocabulary: Vocabulary, seed: int, sample: Sample | None
) -> pa.Table:
    """The sample of a trace's requests: prompts are made for no others, of which there may be millions."""
    arrival_s = source.sped_up(lengths.arrival_s, lengths.last_place)
    wanted = np.arange(len(lengths)) if sample is None else sample(len(lengths))
    prompts, texts = make_prompts(lengths.prompt_tokens[wanted].astype(np.int64), vocabulary, seed, "user")
    names = [str(place + 1) for place in wanted]
    return workload_table(names, texts, prompts, lengths.output_tokens[wanted], arrival_s[wanted])


def _of_rows(source: RequestFile, rows: list[Row]) -> pa.Table:
    return workload_table(
        [row.request_id for row in rows],
        [row.text for row in rows],
        [row.ids for row in rows],
        [row.output_tokens for row in rows],
        source.sped_up(np.array([row.arrival_s for row in rows]), max(rows, key=lambda row: row.arrival_s).place),
    )


def _refuse_arrivals(rows: list[Row]) -> None:
    for row in rows:
        if row.arrival_s > 0:
            raise _late(row.place, row.arrival_s)


def _late(place: str, arrival_s: float) -> UserError:
    problem = f"arrives at {arrival_s:.10g} s, but engines get all requests at 0 s"
    return UserError(f"{place}: {problem}; set requests_per_s: file in its runs, or leave out the times")


def _complete(rows: list[Row], vocabulary: Vocabulary, seed: int, file: Path) -> None:
    """Fill in what the file does not give: the ids of a text, the length of a reply, a prompt of a given length."""
    texts = [row for row in rows if row.text is not None and row.turns is None]
    for row, ids in zip(texts, _encoded([row.text for row in texts], vocabulary, file), strict=True):
        row.ids = np.array(ids, np.int32)
    _join_turns([row for row in rows if row.turns is not None], vocabulary, file)
    replies = [row for row in rows if row.reply is not None]
    encoded = _encoded([row.reply for row in replies], vocabulary, file, special=False)
    for row, ids in zip(replies, encoded, strict=True):
        row.output_tokens = len(ids)
    lengths = [row for row in rows if row.prompt_tokens is not None]
    if lengths:
        _make_prompts(lengths, vocabulary, seed)
    for row in rows:
        _check_tokens(row, vocabulary)


def _join_turns(rows: list[Row], vocabulary: Vocabulary, file: Path) -> None:
    """Ids of prompts with earlier turns in them: of each turn by itself, joined by those of a line end.

    Encoded as one text, a turn could end within a token, and the cache of an earlier prompt would not be a prefix.
    """
    first = list({row.turns[0] for row in rows})
    later = list({turn for row in rows for turn in ("\n", *row.turns[1:])})
    begun = dict(zip(first, _arrays(_encoded(first, vocabulary, file)), strict=True))
    said = dict(zip(later, _arrays(_encoded(later, vocabulary, file, special=False)), strict=True))
    for row in rows:
        parts = [begun[row.turns[0]], *(ids for turn in row.turns[1:] for ids in (said["\n"], said[turn]))]
        row.ids = np.concatenate(parts)


def _arrays(encoded: Iterator[list[int]]) -> Iterator[NDArray[np.int32]]:
    return (np.array(ids, np.int32) for ids in encoded)


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
