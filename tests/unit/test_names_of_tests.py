"""Every process that collects a test gives it the same name, or pytest-xdist refuses to run any."""

from __future__ import annotations

import gzip

import pytest


@pytest.mark.parametrize("content", [gzip.compress(b"holds the time of its making")])
def test_bytes_are_in_no_name(request: pytest.FixtureRequest, content: bytes) -> None:
    assert request.node.name == "test_bytes_are_in_no_name[content]"
