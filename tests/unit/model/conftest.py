"""Fixtures for tests of several model sources."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.model_folder import write_model_folder


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A user's model folder with every file a model needs."""
    return write_model_folder(tmp_path / "mine")
