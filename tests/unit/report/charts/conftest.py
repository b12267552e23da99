"""Runs of several engines and sweeps of vllm, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.charts import source_of
from builders.pipeline import write_results
from builders.simulated_requests import make_requests

from kvbench.report.charts.source import Source


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("charts")
    write_results(root, make_requests(12), repeats=6)
    return root


@pytest.fixture(scope="session")
def source(results: Path) -> Source:
    return source_of(results)
