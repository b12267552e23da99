"""results/tables/hit_rates.csv: a row per scenario, block size and pool, in tokens of round numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.files import read_table
from kvbench.replay.hit_rate import HitCurve, hit_curve
from kvbench.replay.hit_rate_blocks import blocks_of
from kvbench.replay.inputs import Trace

# ISO 3's R20: twenty round numbers a decade at nearly equal ratios, with 1, 2 and 5.
PREFERRED = (100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900)
WHOLE = ("pool_tokens", "pool_blocks")


def hit_rates(name: str, scenario: Mapping[str, Any], trace: Trace) -> pd.DataFrame:
    """The rows of one scenario, for each size in `hit_rate.block_sizes` or, without these, its `block_size`.

    The pools are the smallest that holds every request, the scenario's own if it is larger, and round numbers of tokens
    up to the first in which all is found; the last row is an infinite pool, without a size.
    """
    sizes = scenario["hit_rate"].get("block_sizes", [scenario["block_size"]])
    curves = (hit_curve(blocks_of(trace, size), trace.prompt_tokens, trace.output_tokens) for size in sizes)
    return typed(pd.DataFrame([row for curve in curves for row in _rows(name, curve, scenario["pool_slots"])]))


def _rows(name: str, curve: HitCurve, own_tokens: int) -> Iterator[dict[str, Any]]:
    sizes = pools(curve, own_tokens)
    blocks = [tokens // curve.block_tokens for tokens in sizes]
    found = zip([*sizes, None], [*blocks, None], [*curve.hit_tokens(blocks), curve.most_hit_tokens], strict=True)
    for tokens, in_blocks, hits in found:
        yield {
            "scenario": name,
            "requests": curve.requests,
            "prompt_tokens": curve.prompt_tokens,
            "block_size": curve.block_tokens,
            "repeated_blocks": curve.repeated_blocks,
            "pool_tokens": tokens,
            "pool_blocks": in_blocks,
            "hit_tokens": int(hits),
            "hit_share": hits / curve.prompt_tokens,
        }


def pools(curve: HitCurve, own_tokens: int) -> list[int]:
    """Sizes of pools in tokens, ascending; `own_tokens` is one of them unless a request does not fit."""
    size = curve.block_tokens
    least = curve.least_blocks * size
    enough = max([curve.least_blocks, *curve.pool_blocks[-1:].tolist()]) * size
    numbers = {step * 10**power // 100 for power in range(len(str(enough)) + 1) for step in PREFERRED}
    last = min(one for one in numbers if one >= enough)
    return sorted({least, *(one for one in (*numbers, own_tokens) if least <= one <= max(last, own_tokens))})


def together(files: Iterable[str | Path]) -> pd.DataFrame:
    """The rows of all scenarios, from their files; UserError if one is missing or empty."""
    return typed(pd.concat([read_table(file) for file in files], ignore_index=True))


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Sizes of pools as integers, although an infinite one has none."""
    return rows.astype(dict.fromkeys(WHOLE, "Int64"))
