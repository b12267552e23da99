"""What a user is told, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kvbench.errors import UserError


@contextmanager
def refused(line: str | None = None) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """The block ends in a UserError of one line, in which the pattern is found."""
    with pytest.raises(UserError, match=line) as caught:
        yield caught
    assert "\n" not in str(caught.value)
