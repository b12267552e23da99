"""Requests in the form engines receive."""

from __future__ import annotations

from collections.abc import Iterable

from kvbench.workload.read import Request


def request(prompt: int | Iterable[int], output: int = 1, name: str = "r") -> Request:
    """A request arriving at time 0; `prompt` is a token count or the token ids, `output` the tokens to generate."""
    ids = (1,) * prompt if isinstance(prompt, int) else tuple(prompt)
    return Request(name, None, ids, output, 0.0)


def requests_of(lengths: Iterable[tuple[int | Iterable[int], int]]) -> list[Request]:
    """Return requests r0, r1, … from (prompt, output) pairs."""
    return [request(prompt, output, f"r{i}") for i, (prompt, output) in enumerate(lengths)]
