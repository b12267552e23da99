"""The requests of a replay, drawn from a workload's length distribution or read from a file, with their arrivals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.errors import UserError
from kvbench.kv.policies import takes_time
from kvbench.replay.inputs import Trace
from kvbench.replay.texts import blocks_sorted, one_prefix, text_key
from kvbench.workload.arrivals import poisson_s
from kvbench.workload.block_ids import BlockIds
from kvbench.workload.check import Limit
from kvbench.workload.draws import stream
from kvbench.workload.formats.by_content import is_of_lengths, read_rows
from kvbench.workload.length_columns import LengthColumns, of_rows, read_lengths
from kvbench.workload.lengths import draw_lengths
from kvbench.workload.request_file import LATEST_S, RequestFile
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
    scenario: Mapping[str, Any],
    seed: int,
    prompt: NDArray[np.integer],
    output: NDArray[np.integer],
    arrival_s: NDArray[np.float64] | None = None,
) -> Trace:
    """The trace of prompts that follow the shared prefix and have nothing else in common.

    Lengths and arrivals have been checked where they come from. Ten million of them are 0.4 GB, so that no array is
    made that is not in the trace.
    """
    if "requests_per_s" in scenario:
        arrival_s = poisson_s(stream(seed, "replays", "arrivals"), len(prompt), scenario["requests_per_s"])
    prompt_tokens = prompt.astype(np.int64)
    prompt_tokens += scenario["shared_prefix_tokens"]
    order, common = one_prefix(len(prompt), scenario["shared_prefix_tokens"])
    arrival_ns = np.zeros(len(prompt), np.int64) if arrival_s is None else _nanoseconds(arrival_s)
    return Trace(prompt_tokens, output.astype(np.int64), arrival_ns, order, common)


def _nanoseconds(arrival_s: NDArray[np.float64]) -> NDArray[np.int64]:
    if arrival_s[-1] > LATEST_S:
        raise UserError(
            f"replay: the last request arrives at {arrival_s[-1]:g} s; let all arrive within {LATEST_S:g} s"
        )
    exact = arrival_s * 1e9
    return np.rint(exact, out=exact).astype(np.int64)


def _from_file(scenario: Mapping[str, Any], seed: int, at: str) -> Trace:
    """The first `requests` requests of the file, in order of arrival, with the prefixes that it shows to be common."""
    source, selection = RequestFile.of(scenario), Selection(scenario["too_long"], scenario["bad_turns"])
    shares = scenario["prefix_sharing"]
    keys: list[bytes] = []
    if is_of_lengths(source):
        most = scenario.get("requests", math.inf)
        lengths = read_lengths(source, selection, _limit(scenario), most, with_blocks=shares)
    else:
        lengths, keys = _read(source, scenario, selection)
    if shares and not keys and lengths.blocks is None:
        _require_prefix(scenario, at)
    _require_one_clock(lengths, scenario, at)
    arrival_s = source.sped_up(lengths.arrival_s, lengths.last_place)
    trace = _trace(scenario, seed, lengths.prompt_tokens, lengths.output_tokens, arrival_s)
    trace = replace(trace, file=selection.counts())
    if lengths.blocks is not None:
        return _with_blocks(trace, lengths.blocks, scenario, at)
    return trace.with_texts(keys, scenario["shared_prefix_tokens"]) if keys else trace


def _read(source: RequestFile, scenario: Mapping[str, Any], selection: Selection) -> tuple[LengthColumns, list[bytes]]:
    """Lengths of prompts of token ids and, for `prefix_sharing`, the ids as keys, which take only 4 bytes per token."""
    lengths, keys, before = [], [], None
    most, limit = scenario.get("requests", math.inf), _limit(scenario)
    for row in read_rows(source, selection):
        prompt_tokens = _prompt_tokens(row)
        if selection.fits(row, prompt_tokens, limit) and len(lengths) < most:
            _require_order(row, before)
            if scenario["prefix_sharing"]:
                keys.append(text_key(row.ids))
            lengths.append((prompt_tokens, row.output_tokens, row.arrival_s))
            row.ids, before = None, row
    selection.require_any(lengths, source.path)
    return of_rows(lengths, before.place), keys


def _limit(scenario: Mapping[str, Any]) -> Limit:
    prefix = scenario["shared_prefix_tokens"]
    reason = f"max_length {scenario['max_length']}" + (f" minus the shared prefix of {prefix}" if prefix else "")
    return Limit(scenario["max_length"] - prefix, reason)


def _with_blocks(trace: Trace, blocks: BlockIds, scenario: Mapping[str, Any], at: str) -> Trace:
    """The trace with the common prefixes that hashes of blocks show, behind the shared prefix."""
    size, known = scenario["block_size"], blocks.block_tokens
    if known % size:
        problem = f"{scenario['file']} knows common prefixes by blocks of {known} tokens, which {size} does not divide"
        raise UserError(f"config.yaml: {at}.block_size: {problem}; use a divisor, or set prefix_sharing to false")
    order, common = blocks_sorted(blocks, scenario["shared_prefix_tokens"])
    return replace(trace, text_order=order, common_tokens=common)


def _require_prefix(scenario: Mapping[str, Any], at: str) -> None:
    """UserError if sharing can find nothing: only lengths are known and the shared prefix is shorter than a block."""
    if scenario["shared_prefix_tokens"] < scenario["block_size"]:
        problem = f"{scenario['file']} has only lengths, which do not show common prefixes"
        remedy = "use JSONL with token ids, set shared_prefix_tokens to at least block_size, or set this to false"
        raise UserError(f"config.yaml: {at}.prefix_sharing: {problem}; {remedy}")


def _require_one_clock(lengths: LengthColumns, scenario: Mapping[str, Any], at: str) -> None:
    """UserError if the file has arrivals and the scenario has a rate or no step time."""
    last_s = lengths.arrival_s[-1]
    if not last_s:
        return
    late = f"{lengths.last_place} arrives at {last_s:.10g} s"
    if "requests_per_s" in scenario:
        raise UserError(f"config.yaml: {at}.requests_per_s: {late}; remove the rate, or remove the times from the file")
    if not takes_time(scenario):
        remedy = "add it with its source, or remove the times from the file"
        raise UserError(f"config.yaml: {at}.step_time: {late}, and arrivals need a step time; {remedy}")


def _prompt_tokens(row: Row) -> int:
    """Number of tokens in a row's prompt; UserError for text, which needs a model's tokenizer."""
    if row.ids is None:
        raise UserError(f"{row.place}: text, but replays have no tokenizer; use prompt_token_ids or a CSV of lengths")
    return len(row.ids)


def _require_order(row: Row, before: Row | None) -> None:
    if before is not None and row.arrival_s < before.arrival_s:
        raise UserError(
            f"{row.place}: arrives at {row.arrival_s:.10g} s, the previous request at {before.arrival_s:.10g} s; sort "
            "the file by arrival_s"
        )
