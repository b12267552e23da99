"""The points of runs whose requests arrive over time, such as `requests_per_s-2`. This module imports nothing heavy."""

from __future__ import annotations

RATE, FROM_FILE = "requests_per_s", "file"
PREFIX = f"{RATE}-"


def rate_point(per_s: float | str) -> str:
    """The point of runs whose requests arrive at this rate, or as a user's file says (`file`)."""
    return f"{PREFIX}{int(per_s) if isinstance(per_s, float) and per_s.is_integer() else per_s}"


def is_rate(point: str) -> bool:
    """Whether requests arrive over time at a point."""
    return point.startswith(PREFIX)


def rate_text(point: str) -> str:
    """The rate of such a point as its name has it, or `file`."""
    return point.removeprefix(PREFIX)


def rate_of(point: str) -> float | None:
    """The rate of a point in requests a second; None if its requests arrive as a file says, or all at once."""
    try:
        return float(rate_text(point)) if is_rate(point) else None
    except ValueError:
        return None
