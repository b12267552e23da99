"""What several sources of models are tested with."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.model_folder import write_model_folder


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A folder of a user's with all that a model needs."""
    return write_model_folder(tmp_path / "mine")
