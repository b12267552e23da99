"""Assertions on one-line error messages for users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kvbench.errors import UserError


@contextmanager
def refused(line: str | None = None) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """Assert that the block raises a one-line UserError that matches the pattern."""
    with pytest.raises(UserError, match=line) as caught:
        yield caught
    assert "\n" not in str(caught.value)
