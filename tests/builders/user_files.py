"""Contents of users' request files, and the requests read from them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from kvbench.workload.check import Limit
from kvbench.workload.request_file import RequestFile
from kvbench.workload.selection import Selection
from kvbench.workload.user import read_user_file
from kvbench.workload.vocabulary import Vocabulary

LIMIT = Limit.of(512, 2048)


def read(folder: Path, name: str, content: str | bytes, vocabulary: Vocabulary, **options: Any) -> pa.Table:
    """Write a file and read its requests; by default they may have 512 tokens and bad ones are refused."""
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    selection = Selection(options.pop("too_long", "refuse"), options.pop("bad_turns", "refuse"))
    given = {key: options.pop(key) for key in ("format", "turns", "output_tokens", "speed") if key in options}
    return read_user_file(RequestFile(file, **given), vocabulary, options.pop("limit", LIMIT), 0, selection, **options)


def line(**entry: Any) -> str:
    """Return a JSONL line with a valid request; `entry` overrides its keys."""
    return json.dumps({"prompt": "x", "output_tokens": 1} | entry) + "\n"


def conversation(*turns: Any, speakers: tuple[str, ...] = ("human", "gpt"), **more: Any) -> dict[str, Any]:
    """Return a ShareGPT entry with alternating speakers."""
    spoken = zip(itertools.cycle(speakers), turns, strict=False)
    return {"conversations": [{"from": speaker, "value": value} for speaker, value in spoken], **more}


GOOD = line()
TOO_LONG = line(prompt="y" * 600)
