"""Fixtures of several modules, made once per session."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from builders.kv_group_models import SERVED, write_models
from builders.places import IMPORT_PATH
from builders.tiny import make_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder."""
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def kv_group_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of tiny models of each kind of KV cache, by name."""
    return write_models(tmp_path_factory.mktemp("kv-groups"))


@pytest.fixture(scope="session")
def kv_groups_served(kv_group_models: dict[str, Path]) -> dict[str, tuple]:
    """What vLLM did with them on the CPU, by model and engine: settings, checks of the load, capacity, what was
    generated, settings in force.
    """
    folder = next(iter(kv_group_models.values())).parent
    done = subprocess.run(
        [sys.executable, "-m", "builders.serve_kv_groups", str(folder), *SERVED],
        env={**os.environ, "PYTHONPATH": IMPORT_PATH, "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return {name: pickle.loads((folder / f"{name}.pickle").read_bytes()) for name in SERVED}
