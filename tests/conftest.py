"""Settings of all tests. Tests of engines are skipped where none is installed, and nowhere else."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from kvbench.machine.packages import has_engines

# Tests that run side by side share the processors: the OpenMP threads of one engine, which spin while they wait, would
# take them from the other's. It is read when torch is loaded; children inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# An example may take as long as the machine needs: a deadline would fail tests on a busy one.
settings.register_profile("kvbench", deadline=None)
settings.load_profile("kvbench")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name of a binary parameter: a compressed file holds the time, and workers compare the names of tests."""
    return argname if isinstance(val, bytes) and not val.isascii() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if has_engines():
        return
    for item in items:
        if item.get_closest_marker("engine"):
            item.add_marker(pytest.mark.skip(reason="this environment has no engines: `make setup FLAVOUR=cpu`"))
