"""The figure of the attention kernel draws each ratio in the panel of its head layout."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders.bandwidth import bandwidth
from builders.kernel_times import record, samples
from builders.pipeline import texts

from kvbench.analysis.tables.paging_price import table
from kvbench.figures.paging_price import draw


def made(rounds: int = 7, **changed) -> pd.DataFrame:
    return table(samples(rounds), record(**changed), bandwidth(gpus=1), 0)


def points(axes) -> list[float]:
    return [line.get_xdata()[0] for line in axes.lines if line.get_marker() not in ("|", "None")]


@pytest.mark.parametrize("width_in", [7.0, 3.5])
def test_a_panel_a_layout_and_a_point_a_page_size(width_in: float) -> None:
    figure = draw(made(), {"width_in": width_in})
    gqa, mla = figure.axes
    np.testing.assert_allclose(points(gqa), [1.2, 0.9] * 3)
    np.testing.assert_allclose(points(mla), [1.2, 0.9])
    bars = [line.get_xdata()[0] for line in gqa.lines if line.get_marker() == "|"]
    np.testing.assert_allclose(bars, 1.05)  # a page for all of a sequence
    assert gqa.get_xlim() == mla.get_xlim()
    shown = " ".join(texts(figure).split())
    for text in ("decode, 1 × 512", "decode, 32 × 2,048", "prefill, 16 × 512", "13 µs", "gqa: 32 query, 8 KV heads"):
        assert text in shown
    assert "FLASH_ATTN_MLA (FlashAttention 3), float16, A GPU" in shown


def test_without_intervals_there_are_no_whiskers() -> None:
    with_them, without = (draw(made(rounds)).axes[0].collections for rounds in (7, 5))
    assert len(with_them) == 6
    assert len(without) == 0


def test_what_was_not_measured_is_said() -> None:
    text = texts(draw(made(reason="the kernel was not timed: it needs a CUDA device")))
    assert " ".join(text.split()) == "No attention kernel was timed: it needs a CUDA device."
