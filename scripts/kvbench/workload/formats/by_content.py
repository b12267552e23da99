"""Finds the format of a user's file and reads its requests; errors name the place and the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.formats import azure, burstgpt
from kvbench.workload.formats.alpaca import alpaca_rows
from kvbench.workload.formats.azure import AzureLines
from kvbench.workload.formats.burstgpt import BurstGptLines
from kvbench.workload.formats.csv import COLUMNS, CsvLines, csv_rows
from kvbench.workload.formats.file_text import head
from kvbench.workload.formats.json_items import items
from kvbench.workload.formats.json_lines import entries
from kvbench.workload.formats.jsonl import jsonl_rows, vllm_bench_rows
from kvbench.workload.formats.lmsys import lmsys_rows
from kvbench.workload.formats.mooncake import MooncakeLines
from kvbench.workload.formats.openai_batch import openai_batch_rows
from kvbench.workload.formats.sharegpt import sharegpt_rows
from kvbench.workload.formats.unpack import suffix_of
from kvbench.workload.request_file import ALL, FORMATS, RequestFile
from kvbench.workload.rows import Row, require_new
from kvbench.workload.selection import Selection

ROWS: dict[str, Callable[[RequestFile], Iterator[Row]]] = {
    "jsonl": jsonl_rows,
    "vllm-bench": vllm_bench_rows,
    "openai-batch": openai_batch_rows,
    "sharegpt": sharegpt_rows,
    "lmsys": lmsys_rows,
    "alpaca": alpaca_rows,
    "csv": csv_rows,
}
# Formats of lengths, which are read as columns; "csv" is in both, since a live run keeps the ids of its requests.
LINES: dict[str, Callable[..., Any]] = {
    "csv": CsvLines,
    "azure": AzureLines,
    "burstgpt": BurstGptLines,
    "mooncake": MooncakeLines,
}
# Keys by which objects of a format are known; the first one that an object has decides.
KEYS = {
    "hash_ids": "mooncake",
    "input_length": "mooncake",
    "body": "openai-batch",
    "conversations": "sharegpt",
    "conversation": "lmsys",
    "instruction": "alpaca",
    "prompt": "jsonl",
    "prompt_token_ids": "jsonl",
}
# Formats to which a key of the configuration applies.
TURNS, OUTPUT = ("sharegpt", "lmsys"), ("jsonl", "vllm-bench", "openai-batch")


def read_rows(source: RequestFile, selection: Selection) -> Iterator[Row]:
    """The requests of a file in its order, one at a time, without those that `selection` skips.

    UserError names the file, line and reason of the first fault.
    """
    seen: dict[str, str] = {}
    for row in ROWS[format_of(source)](source):
        if selection.admits(row):
            require_new(row, seen)
            yield row


def has_only_lengths(source: RequestFile) -> bool:
    """Whether a file's format has lengths and neither prompts nor ids of requests."""
    return format_of(source) not in ROWS


def is_of_lengths(source: RequestFile) -> bool:
    """Whether `length_columns` can read a file: its format has lengths of prompts."""
    return format_of(source) in LINES


def lines_of(source: RequestFile) -> Any:
    """A reader of the lines of a file whose format is in LINES."""
    return LINES[format_of(source)](source.path)


def format_of(source: RequestFile) -> str:
    """The format of a file: the one that its key names, else by extension and content.

    UserError if the content is that of another format than the key says, or of none, or if a key does not apply to it.
    """
    begin = head(source.path)
    known = _by_keys(source.path, begin) or _by_header(begin)
    name = source.format or (known[0] if known else _by_extension(source.path, begin))
    if known and name not in known and not (name == "vllm-bench" and "jsonl" in known):
        problem = f"line 1: the file is {known[0]}, not {name}"
        raise UserError(f"{source.path}: {problem}; correct the key format, or leave it out")
    for key, given, formats in (("turns", source.turns == ALL, TURNS), ("output_tokens", source.output_tokens, OUTPUT)):
        if given and name not in formats:
            raise UserError(
                f"{source.path}: the key {key} is for {', '.join(formats)}, but the file is {name}; remove it"
            )
    return name


def _by_keys(file: Path, begin: str) -> list[str]:
    """The formats that a file of JSON objects may have by the keys of the first one, the likeliest first."""
    entry: Any = None
    with suppress(UserError):  # the format's reader finds the fault again and names it
        if begin.startswith("{"):
            entry = next(entries(file))[2]
        elif begin.startswith("["):
            entry = next(items(file), (0, None))[1]
    return [KEYS[key] for key in KEYS if key in entry] if isinstance(entry, dict) else []


def _by_header(begin: str) -> list[str]:
    cells = [cell.strip(' \t"') for cell in begin.partition("\n")[0].strip().split(",")]
    if cells == azure.COLUMNS:
        return ["azure"]
    if set(burstgpt.USED) <= set(cells):
        return ["burstgpt"]
    return ["csv"] if set(COLUMNS[:2]) <= set(cells) else []


def _by_extension(file: Path, begin: str) -> str:
    first, suffix = begin[:1], suffix_of(file)
    if suffix in (".jsonl", ".ndjson") or (suffix != ".csv" and first == "{"):
        return "jsonl"
    if suffix == ".csv":
        return "csv"
    if first == "[":
        return "sharegpt"
    if suffix != ".json" and (first.isdigit() or begin.lstrip(',"').startswith(COLUMNS[0])):
        return "csv"
    if suffix == ".json":
        raise UserError(f"{file}: line 1: not a JSON list of conversations; give ShareGPT JSON, or JSONL as .jsonl")
    raise UserError(f"{file}: unknown format; name it with the key format: {', '.join(FORMATS)}")
