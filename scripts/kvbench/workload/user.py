"""Users' own requests: complete with token ids and checked; every fault is named by file, line and reason."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa

from kvbench.errors import UserError
from kvbench.workload.check import Limit
from kvbench.workload.formats import Row, reader_for
from kvbench.workload.prompts import make_prompts
from kvbench.workload.table import workload_table
from kvbench.workload.vocabulary import Vocabulary

log = logging.getLogger(__name__)


def read_user_file(
    file: str | Path, vocabulary: Vocabulary, limit: Limit, seed: int, too_long: str = "refuse", live: bool = False
) -> pa.Table:
    """The requests of `file` in its order, as a table of `records.WORKLOAD`.

    Args:
        limit: the longest prompt + output; a longer request is refused, or left out if `too_long` is `skip`.
        seed: of the prompts that a CSV of lengths is given.
        live: engines will serve it, which take all requests at once: a later arrival is refused.

    Raises:
        UserError: the first fault, as `file: line n: reason`.
    """
    file = Path(file)
    content = _decoded(file)
    rows = list(reader_for(file, content)(content, file))
    _require_unique(rows)
    if live:
        _refuse_arrivals(rows)
    rows = [row for row in rows if row.prompt_tokens is None or _fits(row, row.prompt_tokens, limit, too_long)]
    _complete(rows, vocabulary, seed, file)
    rows = [row for row in rows if _fits(row, len(row.ids), limit, too_long)]
    if not rows:
        raise UserError(f"{file}: no request in it; give one at least")
    return workload_table(
        [row.request_id for row in rows],
        [row.text for row in rows],
        [row.ids for row in rows],
        [row.output_tokens for row in rows],
        [row.arrival_s for row in rows],
    )


def _decoded(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; mend the path at the workload's key file") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); mend the path or its permissions") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{file}: line {line}: not UTF-8 (byte {raw[error.start]:#04x}); save it as UTF-8") from None


def _require_unique(rows: list[Row]) -> None:
    seen: dict[str, str] = {}
    for row in rows:
        if row.request_id in seen:
            first = seen[row.request_id].rsplit(": ", 1)[-1]
            raise UserError(f"{row.place}: duplicate id {row.request_id!r}, first on {first}; give each its own")
        seen[row.request_id] = row.place


def _refuse_arrivals(rows: list[Row]) -> None:
    for row in rows:
        if row.arrival_s > 0:
            problem = f"arrives at {row.arrival_s:g} s, but engines take all requests at 0 s"
            raise UserError(f"{row.place}: {problem}; leave arrival_s out, or use the file in the replay only")


def _complete(rows: list[Row], vocabulary: Vocabulary, seed: int, file: Path) -> None:
    """Fill in what a row left open: ids of its text, length of its reply, a prompt of its length."""
    texts = [row for row in rows if row.ids is None and row.text is not None]
    if texts:
        encoded = vocabulary.require_tokenizer(str(file)).encode([row.text for row in texts])
        for row, ids in zip(texts, encoded, strict=True):
            row.ids = ids
    replies = [row for row in rows if row.reply is not None]
    if replies:
        encoded = vocabulary.require_tokenizer(str(file)).encode([row.reply for row in replies], special=False)
        for row, ids in zip(replies, encoded, strict=True):
            row.output_tokens = len(ids)
    lengths = [row for row in rows if row.prompt_tokens is not None]
    if lengths:
        _make_prompts(lengths, vocabulary, seed)
    for row in rows:
        _require_vocabulary(row, vocabulary)


def _make_prompts(rows: list[Row], vocabulary: Vocabulary, seed: int) -> None:
    wanted = np.array([row.prompt_tokens for row in rows])
    prompts, texts = make_prompts(wanted, vocabulary, seed, "user")
    for row, ids, text in zip(rows, prompts, texts, strict=True):
        row.ids, row.text = ids.tolist(), text


def _require_vocabulary(row: Row, vocabulary: Vocabulary) -> None:
    if not row.ids or not row.output_tokens:
        raise UserError(f"{row.place}: the model's tokenizer makes no token of it; give other text")
    low, high = min(row.ids), max(row.ids)
    if low < 0 or high >= vocabulary.size:
        outside = low if low < 0 else high
        raise UserError(f"{row.place}: token id {outside} is outside the model's vocabulary of {vocabulary.size}")


def _fits(row: Row, prompt_tokens: int, limit: Limit, too_long: str) -> bool:
    reason = limit.excess(prompt_tokens, row.output_tokens)
    if reason and too_long == "refuse":
        raise UserError(f"{row.place}: {reason}; shorten it, or set too_long: skip to leave such requests out")
    if reason:
        log.warning("%s: %s, left out", row.place, reason)
    return reason is None
