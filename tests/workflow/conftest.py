"""Fixtures of several modules, made once per session."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.tiny import make_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder."""
    return make_tiny(tmp_path_factory.mktemp("tiny"))
