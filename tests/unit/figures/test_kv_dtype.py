"""The figure of number types draws the table's values, and says what is missing."""

from __future__ import annotations

import pandas as pd
import pytest
from builders.pipeline import texts

from kvbench.analysis.statistics import PARTS
from kvbench.analysis.tables.kv_dtypes import COLUMNS, SPEED
from kvbench.figures import kv_dtype

SPEEDS = {"auto": (50, 48, 52), "fp8": (60, 57, 63)}


@pytest.fixture
def table() -> pd.DataFrame:
    rows = []
    for name, (middle, low, high) in SPEEDS.items():
        speed = dict(zip((f"{SPEED}_{part}" for part in PARTS), (middle, low, high, low - 1, high + 1), strict=True))
        row = {"engine": "vllm", "label": f"vllm ({name})", "kv_dtype": name, "n_repeats": 6, "disturbed_repeats": 0}
        rows.append(dict.fromkeys(COLUMNS) | row | {"pool_tokens": 192 if name == "auto" else 384} | speed)
    rows[1] |= {"pool_tokens_over_auto": 2, "ratio": 1.2, "ratio_ci95_low": 1.1, "ratio_ci95_high": 1.3}
    rows[1] |= {"equal_tokens_share": 0.75, "equal_outputs_share": 0.5, "larger_pool": "with the larger pool: faster"}
    frame = pd.DataFrame(rows)
    return frame.astype(dict.fromkeys(("equal_tokens_share", "equal_outputs_share", "ratio"), float))


@pytest.mark.parametrize("width_in", [3.5, 7])
def test_the_panels_draw_capacity_speed_and_equal_tokens(table, width_in):
    figure = kv_dtype.draw(table, {"width_in": width_in})
    tokens, speed, equal = figure.axes
    assert [bar.get_width() for bar in tokens.patches] == [192, 384]
    assert [bar.get_width() for bar in speed.patches] == [50, 60]
    assert [bar.get_width() for bar in equal.patches] == [75]
    assert equal.lines[0].get_xdata()[0] == 50
    told = texts(figure)
    for words in ("×2.00", "×1.20", "compared with", "n = 6 repeats", "with the larger pool: faster"):
        assert words in told
    assert ("[1.10, 1.30]" in told) == (width_in == 7)


def test_without_points_there_is_a_sentence(table):
    assert "No engine has points of a sweep of kv_dtype." in texts(kv_dtype.draw(table.iloc[:0]))
