"""Requests as engines are given them."""

from __future__ import annotations

from collections.abc import Iterable

from kvbench.workload.read import Request


def request(prompt: int | Iterable[int], output: int = 1, name: str = "r") -> Request:
    """A request of so many prompt tokens, or of these, and `output` tokens to generate; all come at once."""
    ids = (1,) * prompt if isinstance(prompt, int) else tuple(prompt)
    return Request(name, None, ids, output, 0.0)


def requests_of(lengths: Iterable[tuple[int | Iterable[int], int]]) -> list[Request]:
    """Requests r0, r1, … of these (prompt, output)."""
    return [request(prompt, output, f"r{i}") for i, (prompt, output) in enumerate(lengths)]
