"""Single bits of a Parquet file flipped, and what its reader makes of each."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pyarrow as pa

from kvbench.errors import UserError
from kvbench.files import read_parquet


def flip_bits(path: Path, flips: int, seed: int = 0) -> Counter[str]:
    """Flip single bits, one at a time, half of them in the footer; count by `refused`, `equal` and `different`.

    A line that does not name the file, or is none, counts as `other error`. The file is as before in the end.
    """
    whole, content, draw = read_parquet(path), path.read_bytes(), random.Random(seed)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    found: Counter[str] = Counter()
    for number in range(flips):
        begin, end = (0, footer) if number % 2 else (footer, len(content))
        place, changed = draw.randrange(begin, end), bytearray(content)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        found[_read(path, whole)] += 1
    path.write_bytes(content)
    return found


def _read(path: Path, whole: pa.Table) -> str:
    try:
        table = read_parquet(path)
    except UserError as error:
        named = str(error).startswith(f"{path}: not valid Parquet (") and "\n" not in str(error)
        return "refused" if named else "other error"
    return "equal" if table.equals(whole) and table.schema.equals(whole.schema) else "different"
