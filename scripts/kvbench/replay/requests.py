"""The requests of a replay, drawn from a workload's length distribution or read from a file, with their arrivals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.errors import UserError
from kvbench.kv.policies import takes_time
from kvbench.replay.inputs import LATEST_S, Trace
from kvbench.replay.texts import text_key
from kvbench.workload.arrivals import poisson_s
from kvbench.workload.check import Limit
from kvbench.workload.draws import stream
from kvbench.workload.formats.by_content import read_rows
from kvbench.workload.lengths import draw_lengths
from kvbench.workload.rows import Row
from kvbench.workload.selection import Selection


def trace_of(scenario: Mapping[str, Any], seed: int, at: str) -> Trace:
    """The requests of an entry of `replays` with defaults filled in; `at` is its key.

    UserError for a request longer than `max_length`, a fault in the file, arrivals without `step_time`, or prefix
    sharing of prompts of which only the lengths are known.
    """
    return _from_file(scenario, seed, at) if "file" in scenario else _drawn(scenario, seed, at)


def draw(workload: str, requests: int, seed: int, max_length: int, at: str) -> tuple[NDArray, NDArray]:
    """Prompt and output lengths in tokens; the same for every entry of the configuration with this workload."""
    prompt, output = draw_lengths(workload, requests, seed, workload)
    longest = int((prompt + output).max())
    if longest > max_length:
        raise UserError(
            f"config.yaml: {at}.max_length: {max_length} is less than the longest request of {workload} "
            f"({longest} tokens); raise it or use another workload"
        )
    return prompt, output


def _drawn(scenario: Mapping[str, Any], seed: int, at: str) -> Trace:
    room = scenario["max_length"] - scenario["shared_prefix_tokens"]
    return _trace(scenario, seed, *draw(scenario["workload"], scenario["requests"], seed, room, at))


def _trace(
    scenario: Mapping[str, Any], seed: int, prompt: NDArray, output: NDArray, arrival_s: NDArray | None = None
) -> Trace:
    """The trace of prompts that follow the shared prefix and have nothing else in common."""
    if "requests_per_s" in scenario:
        arrival_s = poisson_s(stream(seed, "replays", "arrivals"), len(prompt), scenario["requests_per_s"])
    prefix = scenario["shared_prefix_tokens"]
    group = np.full(len(prompt), 0 if prefix else -1)
    return Trace.of(prompt + prefix, output, arrival_s, group, np.full(len(prompt), prefix))


def _from_file(scenario: Mapping[str, Any], seed: int, at: str) -> Trace:
    """The first `requests` requests of the file, in order of arrival; common prefixes are found from token ids."""
    selection = Selection(scenario["too_long"], scenario["bad_turns"])
    rows, keys = _read(scenario, selection)
    selection.require_any(rows, Path(scenario["file"]))
    if scenario["prefix_sharing"] and not keys:
        _require_prefix(scenario, at)
    _require_order(rows)
    _require_one_clock(rows[-1], scenario, at)
    columns = zip(*((row.prompt_tokens, row.output_tokens, row.arrival_s) for row in rows), strict=True)
    trace = replace(_trace(scenario, seed, *map(np.array, columns)), file=selection.counts())
    return trace.with_texts(keys, scenario["shared_prefix_tokens"]) if keys else trace


def _read(scenario: Mapping[str, Any], selection: Selection) -> tuple[list[Row], list[bytes]]:
    """Rows without their token ids and, for `prefix_sharing`, the ids as keys, which take only 4 bytes per token."""
    rows, keys = [], []
    most, limit = scenario.get("requests", math.inf), _limit(scenario)
    for row in read_rows(Path(scenario["file"]), selection):
        row.prompt_tokens = _prompt_tokens(row)
        if selection.fits(row, row.prompt_tokens, limit) and len(rows) < most:
            if scenario["prefix_sharing"] and row.ids is not None:
                keys.append(text_key(row.ids))
            row.ids = None
            rows.append(row)
    return rows, keys


def _limit(scenario: Mapping[str, Any]) -> Limit:
    prefix = scenario["shared_prefix_tokens"]
    reason = f"max_length {scenario['max_length']}" + (f" minus the shared prefix of {prefix}" if prefix else "")
    return Limit(scenario["max_length"] - prefix, reason)


def _require_prefix(scenario: Mapping[str, Any], at: str) -> None:
    """UserError if sharing can find nothing: only lengths are known and the shared prefix is shorter than a block."""
    if scenario["shared_prefix_tokens"] < scenario["block_size"]:
        problem = f"{scenario['file']} has only lengths, which do not show common prefixes"
        remedy = "use JSONL with token ids, set shared_prefix_tokens to at least block_size, or set this to false"
        raise UserError(f"config.yaml: {at}.prefix_sharing: {problem}; {remedy}")


def _require_one_clock(last: Row, scenario: Mapping[str, Any], at: str) -> None:
    """UserError if the file has arrivals and the scenario has a rate or no step time."""
    if not last.arrival_s:
        return
    late = f"{last.place} arrives at {last.arrival_s:g} s"
    if "requests_per_s" in scenario:
        raise UserError(f"config.yaml: {at}.requests_per_s: {late}; remove the rate, or remove arrival_s from the file")
    if not takes_time(scenario):
        remedy = "add it with its source, or remove arrival_s from the file"
        raise UserError(f"config.yaml: {at}.step_time: {late}, and arrivals need a step time; {remedy}")


def _prompt_tokens(row: Row) -> int:
    """Number of tokens in a row's prompt; UserError for text, which needs a model's tokenizer."""
    if row.text is not None:
        raise UserError(f"{row.place}: text, but replays have no tokenizer; use prompt_token_ids or a CSV of lengths")
    return row.prompt_tokens if row.ids is None else len(row.ids)


def _require_order(rows: list[Row]) -> None:
    before = rows[0]
    for row in rows:
        if row.arrival_s < before.arrival_s:
            raise UserError(
                f"{row.place}: arrives at {row.arrival_s:g} s, the previous request at {before.arrival_s:g} s; sort "
                "the file by arrival_s"
            )
        if row.arrival_s > LATEST_S:
            raise UserError(f"{row.place}: arrival_s is {row.arrival_s:g}; give seconds from 0 to {LATEST_S:g}")
        before = row
