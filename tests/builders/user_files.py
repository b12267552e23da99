"""Users' files: what may stand in them, and the requests that are read from them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from kvbench.workload.check import Limit
from kvbench.workload.selection import Selection
from kvbench.workload.user import read_user_file
from kvbench.workload.vocabulary import Vocabulary

LIMIT = Limit.of(512, 2048)


def read(folder: Path, name: str, content: str | bytes, vocabulary: Vocabulary, **options: Any) -> pa.Table:
    """The requests of a file of this content, of at most 512 tokens each; nothing is left out unless told."""
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    selection = Selection(options.pop("too_long", "refuse"), options.pop("bad_turns", "refuse"))
    return read_user_file(file, vocabulary, options.pop("limit", LIMIT), 0, selection, **options)


def line(**entry: Any) -> str:
    """A line of JSONL: a good request, but for what is given."""
    return json.dumps({"prompt": "x", "output_tokens": 1} | entry) + "\n"


def conversation(*turns: Any, speakers: tuple[str, ...] = ("human", "gpt"), **more: Any) -> dict[str, Any]:
    """An entry of a ShareGPT file, whose speakers take turns."""
    spoken = zip(itertools.cycle(speakers), turns, strict=False)
    return {"conversations": [{"from": speaker, "value": value} for speaker, value in spoken], **more}


GOOD = line()
TOO_LONG = line(prompt="y" * 600)
