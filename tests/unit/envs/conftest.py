"""An environment and a lock to set up."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()
    return tmp_path / "venv"


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    path = tmp_path / "cpu.txt"
    path.write_text("torch==2.13.0+cpu\nnumpy==2.3.5 \\\n")
    return path
