"""The report's section on the attention kernel: every number is from the table."""

from __future__ import annotations

from pathlib import Path

from builders.bandwidth import bandwidth
from builders.kernel_times import record, samples
from builders.pictures import write_picture

from kvbench.analysis.tables.paging_price import table
from kvbench.kernel.forms import ROWS
from kvbench.report.price import section


def test_a_row_for_each_call_with_every_form(tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "kernel/paging_price.svg")
    found = section(table(samples(), record(), bandwidth(2e11, gpus=1), 0), [picture, tmp_path / "m/w/throughput.svg"])
    assert [figure.name for figure in found.figures] == ["paging_price"]
    assert list(found.table["step"]) == [
        "decode, 1 × 512",
        "decode, 32 × 2,048",
        "prefill, 16 × 512",
        "decode, 1 × 512",
    ]
    first, last = found.table.iloc[0], found.table.iloc[-1]
    assert (first["heads"], first["contiguous (µs)"], first["of the copy bandwidth (%)"]) == ("gqa", "13", "38.5")
    assert first["pages of 16"].startswith("1.20 [")
    assert first["pages of 64"].startswith("0.900 [")
    assert first["a page a sequence"].startswith("1.05 [")
    assert (last["heads"], last["K and V apart"]) == ("mla", "–")
    assert found.missing == []


def test_rows_for_each_sequence_have_a_column_of_their_own() -> None:
    times = samples()
    times.loc[(times["form"] == ROWS) & (times["batch"] == 32), "seconds"] *= 2
    times = times[(times["form"] != ROWS) | (times["phase"] != "prefill")]
    told = section(table(times, record(), bandwidth(gpus=1), 0), []).table.set_index("step")["a row a sequence"]
    assert told["decode, 32 × 2,048"].startswith("2.10 [")
    assert told["prefill, 16 × 512"] == "–"
    assert all(cell.startswith("1.05 [") for cell in told["decode, 1 × 512"])


def test_the_sentences_have_the_range_of_the_smallest_pages() -> None:
    found = section(table(samples(), record(), bandwidth(gpus=1), 0), [])
    assert found.sentences == [
        "The attention kernel alone took in decode steps, over its time on contiguous K and V: on pages of 16 tokens "
        "1.20 times (gqa), 1.20 times (mla); with all of a sequence in one page 1.05 times (gqa), 1.05 times (mla).",
        "The attention kernel alone took in prefill steps, over its time on contiguous K and V: on pages of 16 tokens "
        "1.20 times (gqa); with all of a sequence in one page 1.05 times (gqa).",
    ]


def test_a_cpu_has_one_line() -> None:
    found = section(table(samples(0), record(reason="it needs a GPU"), bandwidth(), 0), [])
    assert (found.sentences, found.figures, len(found.table)) == ([], [], 0)
    assert found.missing == ["it needs a GPU"]


def test_calls_that_do_not_fit_are_named_with_their_reason() -> None:
    skipped = [
        {"phase": "decode", "layout": "mha", "context_tokens": 8192, "batch": n, "reason": "no room"} for n in (32, 128)
    ]
    found = section(table(samples(), record(skipped=skipped), bandwidth(gpus=1), 0), [])
    assert found.missing == ["mha decode 32 × 8,192, mha decode 128 × 8,192: no room"]
