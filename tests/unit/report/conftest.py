"""A report of three engines, rendered once."""

from __future__ import annotations

import pandas as pd
import pytest
from builders.report_inputs import report_inputs

from kvbench.report.page import render


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, pd.DataFrame], str]:
    """The tables, and the page."""
    frames, given = report_inputs(tmp_path_factory.mktemp("report"))
    return frames, render(*given)
