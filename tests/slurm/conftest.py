"""A SLURM of the tests' own, for all modules of this folder.

Where none can be brought up they are skipped, or fail where KVBENCH_SLURM is `required`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from builders.slurm import UP_S, Slurm, missing
from xdist.plugin import pytest_xdist_auto_num_workers as usual_number


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there would be, since these tests wait most of their time."""
    return usual_number(config) + 1


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Three nodes, which are empty again at the end."""
    if reason := missing():
        (pytest.fail if os.environ.get("KVBENCH_SLURM") == "required" else pytest.skip)(reason)
    with Slurm(tmp_path_factory.mktemp("slurm")) as slurm:
        yield slurm
        ended = {job["state"] for job in slurm.jobs()}
        assert ended <= {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"}
        until = time.monotonic() + UP_S  # SLURM lets what it has ended clean up
        while (left := slurm.processes()) and time.monotonic() < until:
            time.sleep(0.5)
        assert left == []
