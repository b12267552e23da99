"""Requests for property tests whose prompts may begin like those of others."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

REQUEST = st.tuples(
    st.integers(1, 40),  # prompt
    st.integers(1, 24),  # output
    st.integers(0, 60),  # ns since the previous arrival
    st.integers(0, 7),  # branch
    st.integers(0, 40),  # prompt tokens taken from the branch's text
)


def prompts_of(rows: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Token ids: the branch's text (three binary choices, one every 6 tokens), then tokens unique to the request."""
    return [
        [branch >> min(at // 6, 2) & 1 if at < common else 100 * (number + 1) + at for at in range(prompt)]
        for number, (prompt, _, _, branch, common) in enumerate(rows)
    ]
