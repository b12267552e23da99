"""The requests of a replay: drawn from a workload's lengths or read from a file, with their arrivals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.errors import UserError
from kvbench.policies import takes_time
from kvbench.replay.inputs import LATEST_S, Trace
from kvbench.workload.check import Limit
from kvbench.workload.draws import SCALE, exponential, stream
from kvbench.workload.formats import Row, fits, read_rows
from kvbench.workload.lengths import draw_lengths

TICKS = 1 << 32  # of a mean gap: 2^31 requests at a rate stay within an int64


def trace_of(scenario: Mapping[str, Any], seed: int, at: str) -> Trace:
    """The requests of an entry of `replays`, defaults filled in; `at` is its key.

    Raises UserError: a request longer than `max_length`, a fault of the file, arrivals without the time of a step.
    """
    prompt, output, arrival_s = _from_file(scenario, at) if "file" in scenario else _drawn(scenario, seed, at)
    if "requests_per_s" in scenario:
        arrival_s = arrivals(len(prompt), scenario["requests_per_s"], seed)
    prefix = scenario["shared_prefix_tokens"]
    group = np.full(len(prompt), 0 if prefix else -1)
    return Trace.of(prompt + prefix, output, arrival_s, group, np.full(len(prompt), prefix))


def draw(workload: str, requests: int, seed: int, max_length: int, at: str) -> tuple[NDArray, NDArray]:
    """Prompt and output lengths; the same for every entry of the configuration with this workload."""
    prompt, output = draw_lengths(workload, requests, seed, workload)
    longest = int((prompt + output).max())
    if longest > max_length:
        raise UserError(
            f"config.yaml: {at}.max_length: {max_length} tokens do not hold the longest request of {workload} "
            f"({longest}); raise it or use another workload"
        )
    return prompt, output


def arrivals(requests: int, per_s: float, seed: int) -> NDArray[np.float64]:
    """Arrivals of a Poisson process in seconds, the same on every machine.

    The gaps come from integers; what follows are two divisions, which IEEE 754 rounds alike everywhere.
    """
    gaps = exponential(stream(seed, "replays", "arrivals"), requests) // (SCALE // TICKS)
    return np.cumsum(gaps) / TICKS / per_s


def _drawn(scenario: Mapping[str, Any], seed: int, at: str) -> tuple[NDArray, NDArray, None]:
    room = scenario["max_length"] - scenario["shared_prefix_tokens"]
    return *draw(scenario["workload"], scenario["requests"], seed, room, at), None


def _from_file(scenario: Mapping[str, Any], at: str) -> tuple[NDArray, NDArray, NDArray[np.float64]]:
    """The file's first `requests` in its order, which is that of arrival."""
    file, prefix = Path(scenario["file"]), scenario["shared_prefix_tokens"]
    reason = f"max_length {scenario['max_length']}" + (f" less the shared prefix of {prefix}" if prefix else "")
    limit = Limit(scenario["max_length"] - prefix, reason)
    rows = [row for row in read_rows(file) if fits(row, _prompt_tokens(row), limit, scenario["too_long"])]
    rows = rows[: scenario.get("requests", len(rows))]
    if not rows:
        raise UserError(f"{file}: no request in it; give one at least")
    _require_order(rows)
    _require_one_clock(rows[-1], scenario, at)
    columns = [(_prompt_tokens(row), row.output_tokens, row.arrival_s) for row in rows]
    prompt, output, arrival_s = map(np.array, zip(*columns, strict=True))
    return prompt, output, arrival_s


def _require_one_clock(last: Row, scenario: Mapping[str, Any], at: str) -> None:
    """UserError where arrivals of the file meet a rate, or steps that take no time."""
    if not last.arrival_s:
        return
    late = f"{last.place} arrives at {last.arrival_s:g} s"
    if "requests_per_s" in scenario:
        raise UserError(f"config.yaml: {at}.requests_per_s: {late}; leave the rate out, or arrival_s out of the file")
    if not takes_time(scenario):
        mend = "add it with its source, or leave arrival_s out of the file"
        raise UserError(f"config.yaml: {at}.step_time: {late}, and arrivals need the time of a step; {mend}")


def _prompt_tokens(row: Row) -> int:
    """Tokens of a row's prompt; UserError for text, which only a model's tokenizer can count."""
    if row.text is not None:
        raise UserError(f"{row.place}: text, and a replay has no tokenizer; give prompt_token_ids or a CSV of lengths")
    if row.ids is not None and not row.ids:
        raise UserError(f"{row.place}: empty prompt_token_ids; give one id at least")
    return row.prompt_tokens if row.ids is None else len(row.ids)


def _require_order(rows: list[Row]) -> None:
    before = rows[0]
    for row in rows:
        if row.arrival_s < before.arrival_s:
            raise UserError(
                f"{row.place}: arrives at {row.arrival_s:g} s, the request before at {before.arrival_s:g} s; sort the "
                "file by arrival_s"
            )
        if row.arrival_s > LATEST_S:
            raise UserError(f"{row.place}: arrival_s is {row.arrival_s:g}; give seconds from 0 to {LATEST_S:g}")
        before = row
