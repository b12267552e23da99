"""The sharing figure draws the table, its trace and the published values."""

from __future__ import annotations

import numpy as np
import pytest
from builders.places import PUBLISHED
from builders.shared import write_shared_runs
from builders.tables import figure_rows

from kvbench.analysis.published import read_published
from kvbench.analysis.tables import repeats, sharing
from kvbench.figures import sharing as figure
from kvbench.figures.data.blocks import block_traces
from kvbench.files import read_parquet


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_shared_runs(tmp_path_factory.mktemp("sharing"))


@pytest.fixture(scope="module")
def drawn(runs, tmp_path_factory):
    table = figure_rows(tmp_path_factory.mktemp("tables"), sharing.table(runs, repeats.table(runs), 0))
    kind = figure.PUBLISHED["parallel-sampling"]
    published = {column: read_published(PUBLISHED, name) for column, name in kind.items()}
    return table, figure.draw(table, block_traces(runs, table["engine"]), published)


def test_the_figure_draws_the_table_and_the_published_values(drawn):
    table, found = drawn
    trace, saved, speed, running = found.axes
    widths = [patch.get_width() for patch in saved.patches]
    assert widths == pytest.approx([50, 9.8 - 6.1, 30.5 - 16.2])
    speeds = [table[f"{arm}_output_tokens_per_s_median"].iloc[0] for arm in ("unshared", "shared")]
    assert [patch.get_width() for patch in speed.patches] == pytest.approx(speeds)
    assert len(running.patches) == 2
    names = [label.get_text() for label in saved.get_yticklabels()]
    assert names == ["vllm, off", "vllm, on", "paper, Alpaca", "paper, ShareGPT"]
    assert "n = 6 repeats" in found._supxlabel.get_text()
    assert "Section 6.3" in found._supxlabel.get_text()
    assert trace.get_ylabel() == "KV blocks"


def test_the_trace_has_a_value_a_step_of_the_first_timed_repeat(runs):
    [(shared, unshared)] = block_traces(runs, ["vllm"])
    kv = read_parquet(runs[-1].folder / "kv.parquet").to_pandas().query("repeat == 1")
    np.testing.assert_array_equal(shared.in_use, kv["allocated"] / 32)
    np.testing.assert_array_equal(shared.unshared, 2 * shared.in_use)
    np.testing.assert_array_equal(unshared.unshared, unshared.in_use)
    assert shared.pool == 1088 // 32
