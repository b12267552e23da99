"""Formatting of numbers in figures."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

UNKNOWN = "not known"
# What a request's time is spent on, by the names of `records.TIME_PARTS` without their unit.
TIME_WORDS = {
    "entering": "entering",
    "memory_wait": "waiting for memory",
    "limit_wait": "waiting for another limit",
    "prefill": "prefill",
    "decode": "decoding",
    "beside_prefill": "decoding beside others' prefill",
    "preempted": "preempted and computed again",
    "batch_wait": "complete, waiting for its batch",
}


def use_text(use: str) -> str:
    """A use of slots (`records.SPLIT`) in words."""
    return use.replace("_", " ")


def value_text(value: float) -> str:
    """Three significant digits without an exponent; words if there is no value."""
    if np.isnan(value):
        return UNKNOWN
    if value == 0:
        return "0"
    decimals = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) >= 1 else 3
    return f"{value:,.{decimals}f}"


def range_text(counts: Iterable[float]) -> str:
    """`6` or `6 to 12`, from counts of which some may be unknown."""
    known = sorted({int(count) for count in counts if not np.isnan(count)})
    if not known:
        return UNKNOWN
    return f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,} to {known[-1]:,}"


def share_text(share: float) -> str:
    """A share in percent, with one decimal below 10%; words if there is no value."""
    if np.isnan(share):
        return UNKNOWN
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
