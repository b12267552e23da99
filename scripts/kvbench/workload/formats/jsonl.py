"""Reads JSONL: one object per line, with text or token ids; also that of `vllm bench`, which has text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.formats.csv import number
from kvbench.workload.formats.json_lines import entries
from kvbench.workload.request_file import RequestFile
from kvbench.workload.rows import Row, arrival, length, prompt, request_id, row_of, token_ids

KEYS = {"request_id", "prompt", "prompt_token_ids", "output_tokens", "arrival_s"}
PROMPTS = {"prompt", "prompt_token_ids"}


def jsonl_rows(source: RequestFile) -> Iterator[Row]:
    """One row per non-blank line."""
    for place, line, entry in entries(source.path):
        yield row_of(place, _row, _known(entry, place), line, source.output_tokens)


def vllm_bench_rows(source: RequestFile) -> Iterator[Row]:
    """One row per non-blank line, as vLLM's CustomDataset reads it: other keys than these two are ignored."""
    for place, line, entry in entries(source.path):
        yield row_of(place, _vllm_row, entry, line, source.output_tokens)


def _known(entry: dict[str, Any], place: str) -> dict[str, Any]:
    if unknown := sorted(set(entry) - KEYS):
        remedy = "or set format: vllm-bench, which ignores other keys than prompt and output_tokens"
        raise UserError(f"{place}: unknown key {unknown[0]!r}; use {', '.join(sorted(KEYS))}, {remedy}")
    if entry.keys() >= PROMPTS:  # pandas writes both keys if a frame has both columns
        entry = {key: value for key, value in entry.items() if key not in PROMPTS or value is not None}
    if len(entry.keys() & PROMPTS) != 1:
        raise UserError(f"{place}: give either prompt or prompt_token_ids")
    return entry


def _row(place: str, entry: dict[str, Any], line: int, output_tokens: int | None) -> Row:
    row = Row(place, request_id(entry.get("request_id", line), place))
    row.arrival_s = arrival(0 if entry.get("arrival_s") is None else entry["arrival_s"], place)
    row.output_tokens = _output(entry.get("output_tokens"), output_tokens, place)
    if "prompt" in entry:
        row.text = prompt(entry["prompt"], place)
    else:
        row.ids = token_ids(entry["prompt_token_ids"], place)
    return row


def _vllm_row(place: str, entry: dict[str, Any], line: int, output_tokens: int | None) -> Row:
    wanted = entry.get("output_tokens")
    wanted = number(wanted) if isinstance(wanted, str) else wanted
    text = prompt(entry.get("prompt"), place)
    return Row(place, str(line), text=text, output_tokens=_output(wanted, output_tokens, place))


def _output(value: Any, otherwise: int | None, place: str) -> int:
    """Tokens to generate; `otherwise` if the file does not say."""
    return length(otherwise if value is None else value, "output_tokens", place)
