"""Synthetic runs used by tests in several folders."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from builders.arriving_tables import arriving_tables
from builders.runs import ALL_ENGINES, write_runs
from builders.simulated_requests import make_requests
from builders.swept import by_block_size, write_sweep_tables, write_swept_runs

from kvbench.analysis.results import Run, load_runs


@pytest.fixture(scope="session")
def long_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Every engine on 60 requests: most steps are short of blocks, but the subset of 4 fits."""
    requests = make_requests(60, 1)
    return load_runs(write_runs(tmp_path_factory.mktemp("long"), ALL_ENGINES, requests=requests))


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """hf-continuous at two points of a KV-budget sweep, then vllm at both."""
    return write_swept_runs(tmp_path_factory.mktemp("sweeps"))


@pytest.fixture
def sized(swept: list[Run]) -> list[Run]:
    """vllm's larger-pool run as the points of a block-size sweep."""
    return by_block_size(swept[-1])


@pytest.fixture(scope="session")
def sweep_tables(swept: list[Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame, pd.DataFrame]:
    """(Path of sweeps.csv, its rows, replays) of the KV-budget sweep."""
    return write_sweep_tables(tmp_path_factory.mktemp("tables"), swept)


@pytest.fixture(scope="session")
def arriving(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """serving.csv and slowest_requests.csv of three engines at rates below and above what they serve."""
    return arriving_tables(tmp_path_factory.mktemp("arriving"))
