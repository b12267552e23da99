"""Medians, ratios and rates of the attention kernel's times."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders.bandwidth import bandwidth
from builders.kernel_times import SHAPES, record, samples

from kvbench.analysis.tables.paging_price import COLUMNS, table


def found(**changed) -> pd.DataFrame:
    return table(samples(), record(**changed), bandwidth(2e11, gpus=1), 0)


def test_a_row_for_each_shape_and_form_with_its_ratio() -> None:
    rows = found()
    assert list(rows) == list(COLUMNS)
    # Contiguous in two or three ways, a page of a row, two sizes in two orders.
    assert len(rows) == 3 * 8 + 7
    first = rows[(rows["layout"] == "gqa") & (rows["context_tokens"] == 2048)]
    by_form = first.set_index(["form", "page_tokens", "order"])["ratio"]
    assert by_form[("paged", 16, "shuffled")] == pytest.approx(1.2)
    assert by_form[("paged", 64, "shuffled")] == pytest.approx(0.9)
    assert by_form[("paged", 16, "in order")] == pytest.approx(1.05)


def test_the_contiguous_form_is_the_base_without_an_interval() -> None:
    base = found().query("form == 'contiguous'")
    assert len(base) == len(SHAPES)
    assert (base["ratio"] == 1).all()
    assert base["ratio_ci95_low"].isna().all()
    others = found().query("form != 'contiguous'")
    assert (others["ratio_ci95_low"] < others["ratio"]).all()
    assert (others["ratio"] < others["ratio_ci95_high"]).all()


def test_rates_by_hand() -> None:
    row = found().query("form == 'contiguous'").iloc[0]
    assert row["seconds_median"] == pytest.approx(13e-6)  # rounds of 10, 11, … 16 µs
    assert (row["seconds_min"], row["seconds_max"], row["n_rounds"]) == (pytest.approx(10e-6), pytest.approx(16e-6), 7)
    assert row["bytes_per_s"] == pytest.approx(1e6 / 13e-6)
    assert row["share_of_copy_bandwidth"] == pytest.approx(1e6 / 13e-6 / 2e11)
    assert row["flops_per_s"] == pytest.approx(1e7 / 13e-6)
    assert row["kernel"] == "FLASH_ATTN (FlashAttention 3)"


def test_few_rounds_have_no_interval() -> None:
    rows = table(samples(rounds=5), record(), bandwidth(gpus=1), 0)
    assert rows["ratio"].notna().all()
    assert rows["ratio_ci95_low"].isna().all()


def test_what_was_not_measured_has_its_reason() -> None:
    skipped = {"phase": "decode", "layout": "mha", "context_tokens": 8192, "batch": 128, "reason": "too large"}
    last = found(skipped=[skipped]).iloc[-1]
    assert (last["layout"], last["batch"], last["reason"]) == ("mha", 128, "too large")
    assert np.isnan(last["ratio"])
    [row] = table(samples(0), record(reason="no GPU"), bandwidth(), 0).to_dict("records")
    assert row["reason"] == "no GPU"
    assert pd.isna([value for name, value in row.items() if name != "reason"]).all()


def test_the_copy_bandwidth_is_that_of_the_gpu_that_ran_the_kernel() -> None:
    copies = [{"gpu_id": "1b1b1b1b", "bytes_per_s": 1e11}, {"gpu_id": "0a0a0a0a", "bytes_per_s": 2e11}]
    rows = table(samples(), record(gpu_ids=["0a0a0a0a"]), {"device": "cuda", "copy": copies}, 0)
    assert rows["share_of_copy_bandwidth"].tolist() == found()["share_of_copy_bandwidth"].tolist()
