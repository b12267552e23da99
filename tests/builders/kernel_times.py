"""Samples and record of the attention kernel, as measure_paging_price writes them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from kvbench.kernel.forms import CONTIGUOUS, SHUFFLED, Form, forms
from kvbench.kernel.shapes import DECODE, PREFILL, Heads, Shape, names
from kvbench.records import PAGING_PRICE

GQA, MLA = Heads("gqa", 32, 8, 128), Heads("mla", 16, 1, 512, 64)
SHAPES = (
    Shape(DECODE, GQA, 512, 1),
    Shape(DECODE, GQA, 2048, 32),
    Shape(PREFILL, GQA, 512, 16),
    Shape(DECODE, MLA, 512, 1),
)
PAGES = (16, 64)


def record(**changed: Any) -> dict[str, Any]:
    """Return paging_price.json of a GPU with FlashAttention 3."""
    kernels = {"gqa": {"backend": "FLASH_ATTN", "version": 3}, "mla": {"backend": "FLASH_ATTN_MLA", "version": 3}}
    found = {"reason": None, "gpu": "A GPU", "dtype": "float16", "tolerance": 1e-3, "kernels": kernels, "skipped": []}
    return found | changed


def ratio_of(form: Form) -> float:
    """Return the ratio to the contiguous form that `samples` have: 1.2 on shuffled pages of 16, 0.9 on those of 64."""
    if form.order == SHUFFLED:
        return {16: 1.2, 64: 0.9}[form.page_tokens]
    return 1.0 if form.name == CONTIGUOUS else 1.05


def samples(rounds: int = 7, shapes: tuple[Shape, ...] = SHAPES) -> pd.DataFrame:
    """Return a row for each shape, form and round; the contiguous form takes 10 µs in round 0, 11 in round 1, …."""
    rows = [
        {**names(shape), "form": form.name, "page_tokens": form.page_tokens, "order": form.order}
        | {"moved_bytes": 10**6, "flops": 10**7, "largest_error": 1e-4, "round": number}
        | {"seconds": 1e-6 * (10 + number) * ratio_of(form)}
        for shape in shapes
        for form in forms(PAGES, 2048, latent=shape.heads.latent, rows=True)
        for number in range(rounds)
    ]
    return pa.Table.from_pylist(rows, schema=PAGING_PRICE).to_pandas()
