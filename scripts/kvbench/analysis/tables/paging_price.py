"""Times of the attention kernel in every form of the cache, over the contiguous form of the same shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from kvbench.analysis.copies import copies_of
from kvbench.analysis.statistics import PARTS, ratio
from kvbench.kernel.forms import CONTIGUOUS

SHAPE = ("phase", "layout", "query_heads", "kv_heads", "value_dim", "context_tokens", "batch")
FORM = ("form", "page_tokens", "order")
COLUMNS = (
    *("gpu", "dtype", "kernel", *SHAPE, *FORM, "n_rounds"),
    *(f"seconds_{part}" for part in PARTS),
    *("ratio", "ratio_ci95_low", "ratio_ci95_high", "moved_bytes", "bytes_per_s", "share_of_copy_bandwidth"),
    *("flops_per_s", "largest_error", "tolerance", "reason"),
)


def table(samples: pd.DataFrame, record: Mapping[str, Any], bandwidth: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """A row per shape and form; a shape that was not measured has one row with the reason.

    `samples` has the columns of records.PAGING_PRICE, `record` is paging_price.json, `bandwidth` bandwidth.json. The
    ratio is the form's median over that of the contiguous form; its own is 1
    by definition and has no interval. If nothing was measured here, there is one row with
    the reason and nothing else.
    """
    if record["reason"]:
        return pd.DataFrame([{"reason": record["reason"]}], columns=list(COLUMNS))
    common = {name: record[name] for name in ("gpu", "dtype", "tolerance")}
    copies = copies_of(bandwidth, record.get("gpu_ids") or [])
    copy = copies[0]["bytes_per_s"] if copies else None
    rows = []
    for key, shape in samples.groupby(list(SHAPE), sort=False):
        kernel = _kernel(record["kernels"][shape["layout"].iloc[0]])
        rows += [
            {**common, "kernel": kernel, **row}
            for row in _of_shape(dict(zip(SHAPE, key, strict=True)), shape, copy, seed)
        ]
    rows += [{**common, **skipped} for skipped in record["skipped"]]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"page_tokens": "Int64"})


def _kernel(kernel: Mapping[str, Any]) -> str:
    return f"{kernel['backend']} (FlashAttention {kernel['version']})"


def _of_shape(names: dict[str, Any], shape: pd.DataFrame, copy: float | None, seed: int) -> list[dict[str, Any]]:
    forms = [
        (dict(zip(FORM, key, strict=True)), one) for key, one in shape.groupby(list(FORM), sort=False, dropna=False)
    ]
    base = next(one["seconds"] for form, one in forms if form["form"] == CONTIGUOUS)
    rows = [{**names, **form, **_row(one, base, copy, seed)} for form, one in forms]
    return [
        row if row["form"] != CONTIGUOUS else {**row, "ratio_ci95_low": None, "ratio_ci95_high": None} for row in rows
    ]


def _row(one: pd.DataFrame, base: pd.Series, copy: float | None, seed: int) -> dict[str, Any]:
    over = ratio(one["seconds"], base, seed)
    own = over.numerator
    moved, flops = int(one["moved_bytes"].iloc[0]), int(one["flops"].iloc[0])
    rate = moved / own.median
    return {
        "n_rounds": own.n,
        **own.columns("seconds"),
        "ratio": over.value,
        "ratio_ci95_low": over.low,
        "ratio_ci95_high": over.high,
        "moved_bytes": moved,
        "bytes_per_s": rate,
        "share_of_copy_bandwidth": None if copy is None else rate / copy,
        "flops_per_s": flops / own.median,
        "largest_error": one["largest_error"].iloc[0],
    }
