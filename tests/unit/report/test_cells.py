"""Cells of tables as text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kvbench.report.cells import number, to_html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (np.nan, "–"),
        (0.0, "0"),
        (6, "6"),
        (1234.5, "1,234"),
        (30.72, "30.7"),
        (0.0307, "0.0307"),
        ("x", "x"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_cells_are_escaped():
    assert "&lt;b&gt;" in to_html(pd.DataFrame({"a": ["<b>"]}))
