"""Contents of small files in the formats of public traces, with values of our own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from kvbench.workload.check import Limit
from kvbench.workload.length_columns import LengthColumns, read_lengths
from kvbench.workload.request_file import RequestFile
from kvbench.workload.selection import Selection

AZURE_HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
AZURE = (
    f"{AZURE_HEADER}\r\n2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951690,396,109\r\n"
    "2023-11-16 18:16:46.6805901,20,5"
)
AZURE_2024 = f"{AZURE_HEADER}\n2024-05-10 00:00:00.009930+00:00,374,44\n2024-05-10 00:00:04+00:00,396,109\n"
BURST_HEADER = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type"
BURST = (
    f"{BURST_HEADER}\n5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,0,1087,API log\n118,ChatGPT,417,276,693,x\n"
)
BURST_2 = (
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    '5.0,a1,3.5,ChatGPT,472,18,490,"Conversation, log"\n'
    "45.5,,,GPT-4,1087,0,1087,API log\n118.0,b,1,ChatGPT,417,276,693,\n"
)


def mooncake(*requests: tuple[float, int, int, Sequence[int]]) -> str:
    """Return lines of Mooncake's format: time in ms, input, output and hash ids of each request."""
    keys = ("timestamp", "input_length", "output_length", "hash_ids")
    return "".join(json.dumps(dict(zip(keys, one, strict=True))) + "\n" for one in requests)


MOONCAKE = mooncake(
    (27000, 1100, 50, [7, 8, 9]), (27500, 1024, 10, [7, 8]), (29000, 600, 3, [7]), (30000, 1536, 4, [7, 8, 10])
)


def columns(
    folder: Path, name: str, content: str | bytes, limit: int = 10_000, most: float = float("inf"), **given: str
) -> LengthColumns:
    """Write a file and read it as columns with its blocks; `too_long` and `bad_turns` are refused unless given."""
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    selection = Selection(given.pop("too_long", "refuse"), given.pop("bad_turns", "refuse"))
    source = RequestFile(file, **given)
    return read_lengths(source, selection, Limit(limit, f"max_length {limit}"), most, with_blocks=True)
