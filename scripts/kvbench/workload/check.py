"""Checks of a workload before it is written, and before a live engine serves it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kvbench.errors import UserError


@dataclass(frozen=True)
class Limit:
    """The longest prompt + output in tokens, and the setting that determines it."""

    tokens: int
    reason: str

    @classmethod
    def of(cls, max_length: int, model_maximum: int | None) -> Limit:
        """The smaller of `max_length` and what the model's positions allow (None: any length)."""
        if model_maximum is None or max_length <= model_maximum:
            return cls(max_length, f"max_length {max_length}")
        return cls(model_maximum, f"the model's maximum of {model_maximum} tokens")

    def excess(self, prompt_tokens: int, output_tokens: int) -> str | None:
        """Why a request does not fit, or None."""
        if prompt_tokens + output_tokens <= self.tokens:
            return None
        return f"{prompt_tokens} prompt + {output_tokens} output tokens are more than {self.reason}"


def check_arrivals(table: pa.Table, file: str | Path, requests_per_s: float | str | None) -> None:
    """UserError unless `table`, read from `file`, has arrival times just where a run takes them from there (`file`).

    `requests_per_s` is the run's: a rate, `file`, or None for all requests at once.
    """
    arrival_s = table["arrival_s"].to_numpy()
    late = np.flatnonzero(arrival_s > 0)
    if requests_per_s == "file":
        if not late.size:
            raise UserError(
                f"{file}: no request has an arrival_s, but runs.requests_per_s is file; add the times, or give a rate"
            )
        _require_order(table, file, arrival_s)
    elif late.size:
        row = int(late[0])
        given = "set requests_per_s: file for this entry of runs, or leave out arrival_s"
        other = "engines get all requests at 0 s" if requests_per_s is None else f"the run has {requests_per_s:g}/s"
        at = f"request {table['request_id'][row].as_py()} arrives at {arrival_s[row]:g} s"
        raise UserError(f"{file}: {at}, but {other}; {given}")


def _require_order(table: pa.Table, file: str | Path, arrival_s: np.ndarray) -> None:
    back = np.flatnonzero(np.diff(arrival_s) < 0)
    if back.size:
        row = int(back[0]) + 1
        raise UserError(
            f"{file}: request {table['request_id'][row].as_py()} arrives at {arrival_s[row]:g} s, the one before it at "
            f"{arrival_s[row - 1]:g} s; sort the requests by arrival_s"
        )


def check_table(table: pa.Table, name: str, limit: Limit, vocab_size: int) -> pa.Table:
    """The table itself; UserError for no requests, or for an empty, too long or out-of-vocabulary request."""
    where = f"workload {name}"
    if not table.num_rows:
        raise UserError(f"{where}: no requests; set requests to at least 1")
    prompt = pc.list_value_length(table["prompt_token_ids"]).to_numpy()
    output = table["output_tokens"].to_numpy()
    for row in np.flatnonzero((prompt < 1) | (output < 1) | (prompt + output > limit.tokens))[:1]:
        reason = limit.excess(prompt[row], output[row]) or "prompt and output need at least one token each"
        raise UserError(f"{where}: request {table['request_id'][int(row)].as_py()}: {reason}")
    ids = pc.min_max(pc.list_flatten(table["prompt_token_ids"])).as_py()
    if ids["min"] < 0 or ids["max"] >= vocab_size:
        raise UserError(f"{where}: token ids {ids['min']} to {ids['max']} are outside the vocabulary of {vocab_size}")
    return table
