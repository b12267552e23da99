"""The first screen: numbers by hand from small tables, the chosen workload, and reasons for what is missing."""

from __future__ import annotations

import html
from pathlib import Path

import pandas as pd
import pytest
from builders.page_text import cells, part, text
from builders.report_inputs import report_inputs
from builders.runs import ALL_ENGINES

from kvbench.report.answers import Answer, answers, chosen
from kvbench.report.page import render
from kvbench.report.tables.held import held

M, W = "m", "w"


def repeats(**engines: list[tuple[float, float]]) -> pd.DataFrame:
    """Rows of repeats.csv: of each engine (underscores for hyphens) running requests and live share by repeat."""
    return pd.DataFrame(
        [
            {"engine": name.replace("_", "-"), "label": name.replace("_", "-"), "point": "base", "scope": "all"}
            | {"process": 1, "repeat": i + 1, "requests": 20, "running_mean_requests": running}
            | {"live_share_of_allocated": live, "running_peak_requests": running + 1, "allocated_peak_bytes": 2**20}
            for name, values in engines.items()
            for i, (running, live) in enumerate(values)
        ],
        columns=[
            *("engine", "label", "point", "scope", "process", "repeat", "requests", "running_mean_requests"),
            *("live_share_of_allocated", "running_peak_requests", "allocated_peak_bytes"),
        ],
    )


def factor(name: str, scope: str = "all", ratio: float | None = 1.5, **more: object) -> dict:
    return {
        "model": M,
        "workload": W,
        "factor": name,
        "scope": scope,
        "numerator": "vllm",
        "denominator": "other",
        "ratio": ratio,
        "ratio_ci95_low": 1.25,
        "ratio_ci95_high": 1.75,
        "requests": 20,
        "reason": None,
        "numerator_steps_waiting_for_blocks_share": 0.9 if name == "capacity of paging" else None,
        **({"ratio_ci95_low": None, "ratio_ci95_high": None} if ratio is None else {}),
        **more,
    }


def parity(**more: object) -> dict:
    row = {"model": M, "workload": W, "engine": "vllm", "point": "base", "gate": None, "comparable": "yes"}
    return {**row, "requests_compared": 20, "share_equal": 0.95, **more}


def answered(found: pd.DataFrame, factors: list[dict], same: list[dict]) -> dict[str, Answer]:
    attribution = pd.DataFrame(factors or [factor("capacity of paging")])[: len(factors)]
    equal = pd.DataFrame(same or [parity()])[: len(same)]
    return {one.key: one for one in answers({"attribution": attribution, "parity": equal}, held(found, 0), M, W)}


STEADY = [(8.0, 0.9)] * 6


def dtypes(**more: object) -> pd.DataFrame:
    """kv_dtypes.csv of a sweep of auto and fp8, and of vllm-reserved, which is not shown."""
    names = {"model": M, "workload": W, "engine": "vllm"}
    auto = {**names, "kv_dtype": "auto", "ratio": None, "pool_tokens_over_auto": None, "equal_outputs_share": None}
    fp8 = {**auto, "kv_dtype": "fp8", "ratio": 1.5, "pool_tokens_over_auto": 2.0, "equal_outputs_share": 0.25, **more}
    fp8 |= {"ratio_ci95_low": 1.25, "ratio_ci95_high": 1.75}
    return pd.DataFrame([auto, fp8, {**fp8, "engine": "vllm-reserved", "ratio": 9.0}])


def with_dtypes(found: pd.DataFrame, table: pd.DataFrame) -> list[Answer]:
    nothing = {"attribution": pd.DataFrame([factor("capacity of paging")])[:0], "parity": pd.DataFrame([parity()])[:0]}
    return answers({**nothing, "kv_dtypes": table}, held(found, 0), M, W)


def test_a_swept_number_type_is_told_where_nothing_else_is_known() -> None:
    dtype, same = with_dtypes(repeats(), dtypes())
    assert (dtype.key, same.key) == ("kv-dtype", "same")
    assert [(one.middle, one.around, one.name) for one in dtype.numbers] == [
        ("2", "", "tokens that the pool holds: fp8 over auto"),
        ("1.50", "[1.25, 1.75]", "output tokens per second: fp8 over auto"),
    ]
    assert dtype.note == "25% of the outputs are those with auto."
    assert with_dtypes(repeats(), dtypes(equal_outputs_share=None))[0].note == ""


def test_a_swept_number_type_follows_the_other_answers() -> None:
    assert [one.key for one in with_dtypes(repeats(vllm=STEADY), dtypes())][-1] == "kv-dtype"
    assert "kv-dtype" not in {one.key for one in with_dtypes(repeats(), dtypes(ratio=None)[:2])}


def test_the_numbers_are_those_of_the_tables() -> None:
    given = repeats(vllm=STEADY, vllm_contiguous=[(2.0, 0.45)] * 6, vllm_reserved=[(3.0, 0.8)] * 6, hf_batch=STEADY)
    factors = [
        factor("capacity of paging", "sequential", 1.25),
        factor("price of paging", ratio=0.95, ratio_ci95_low=0.9, ratio_ci95_high=1.0),
        factor("capacity of paging"),
    ]
    found = answered(given, factors, [parity(), parity(workload="parity", gate="passed", share_equal=1.0)])
    assert [(one.name, one.text, one.share) for one in found["at-once"].numbers] == [
        ("vllm", "8 [8, 8]", 1.0),
        ("vllm-contiguous", "2 [2, 2]", 0.25),
    ]
    assert [(one.name, one.text, one.share) for one in found["live"].numbers] == [
        ("vllm", "90 [90, 90]", 0.9),
        ("vllm-contiguous", "45 [45, 45]", 0.45),
    ]
    assert [(one.name, one.middle, one.around) for one in found["factor"].numbers] == [
        ("capacity of paging: vllm over other", "1.50", "[1.25, 1.75]"),
        ("price of paging: vllm over other", "0.950", "[0.900, 1]"),
    ]
    [same] = found["same"].numbers
    assert (same.text, same.name) == ("95", "of 20 outputs of vllm equal those of hf-batch")
    assert found["same"].note == "Parity gate, in float32: passed."
    assert not any(one.missing for one in found.values())


@pytest.mark.parametrize(
    ("engines", "at_once", "live"),
    [
        (("vllm_reserved", "hf_static", "hf_batch"), "vllm-reserved", "hf-static"),
        (("hf_batch", "hf_static"), "hf-static", "hf-static"),
        (("hf_batch", "hf_sequential"), "hf-batch", "hf-batch"),
    ],
)
def test_the_partner_is_the_nearest_contiguous_engine_that_ran(
    engines: tuple[str, ...], at_once: str, live: str
) -> None:
    found = answered(repeats(vllm=STEADY, **dict.fromkeys(engines, STEADY)), [], [])
    assert [found[key].numbers[1].name for key in ("at-once", "live")] == [at_once, live]


def test_few_repeats_show_a_range_and_say_so() -> None:
    found = answered(repeats(vllm=[(6.0, 0.5), (8.0, 0.7)], hf_batch=[(2.0, 0.5)] * 2), [], [])["at-once"]
    assert [one.text for one in found.numbers] == ["7 (6 to 8)", "2"]
    assert found.note == "Mean over all steps. Too few repeats for an interval."


def test_what_was_not_measured_has_the_tables_reason() -> None:
    why = "vllm was not run"
    rows = [factor("capacity of paging", ratio=None, requests=None, reason=why)]
    found = answered(repeats(hf_batch=STEADY), rows, [parity(comparable="no: sampled", share_equal=None)])
    assert {key: one.missing for key, one in found.items()} == {
        "at-once": f"{why}.",
        "live": f"{why}.",
        "factor": f"Capacity of paging has no number: {why}.",
        "same": "sampled.",
    }
    assert not any(one.numbers for one in found.values())


def test_a_price_without_a_capacity_says_why() -> None:
    rows = [
        factor("capacity of paging", ratio=None, reason="requests waited in 0% of vllm's steps"),
        factor("price of paging"),
    ]
    found = answered(repeats(vllm=STEADY), rows, [])["factor"]
    assert [one.name for one in found.numbers] == ["price of paging: vllm over other"]
    assert found.note.endswith(" Capacity of paging has no number: requests waited in 0% of vllm's steps.")


def test_what_speaks_against_a_ratio_is_a_sentence_of_its_own() -> None:
    rows = [factor("capacity of paging", reason="n = 2; an interval needs 6 repeats"), factor("price of paging")]
    found = answered(repeats(vllm=STEADY), rows, [])["factor"]
    assert found.note == "Of output tokens per second. Capacity of paging: n = 2; an interval needs 6 repeats."
    names = ("capacity of paging", "price of paging")
    both = [factor(name, reason="n = 2; an interval needs 6 repeats") for name in names]
    found = answered(repeats(vllm=STEADY), both, [])["factor"]
    assert found.note.endswith(" Capacity of paging and price of paging: n = 2; an interval needs 6 repeats.")


def test_no_table_has_a_row() -> None:
    found = answered(repeats(), [], [])
    assert all(one.missing and not one.numbers for one in found.values())


def test_the_workload_in_which_memory_binds_comes_first() -> None:
    loose = factor("capacity of paging", ratio=None, workload="loose", numerator_steps_waiting_for_blocks_share=0.1)
    tight = factor("capacity of paging", workload="tight")
    tables = {"attribution": pd.DataFrame([loose, tight, tight | {"workload": "also"}])}
    pairs = [(M, "unknown"), (M, "loose"), (M, "tight"), (M, "also")]
    assert chosen(tables, pairs) == (M, "tight")
    assert chosen(tables, pairs[:2]) == (M, "loose")
    assert chosen(tables, pairs[:1]) == (M, "unknown")
    assert chosen(tables, []) is None


def test_compared_engines_come_before_one_that_waits_alone() -> None:
    alone, beside = (
        factor("capacity of paging", ratio=None, workload=name, numerator_steps_waiting_for_blocks_share=share)
        for name, share in (("alone", 0.9), ("beside", 0.1))
    )
    rows = [alone, beside, factor("over padded batches", workload="beside")]
    assert chosen({"attribution": pd.DataFrame(rows)}, [(M, "alone"), (M, "beside")]) == (M, "beside")


def test_a_ratio_with_an_interval_comes_before_one_without() -> None:
    few = factor("capacity of paging", workload="few", ratio_ci95_low=None, ratio_ci95_high=None)
    tables = {"attribution": pd.DataFrame([few, factor("capacity of paging", workload="enough")])}
    assert chosen(tables, [(M, "few"), (M, "enough")]) == (M, "enough")
    assert chosen(tables, [(M, "few")]) == (M, "few")


def test_each_number_of_the_first_screen_is_in_the_table_that_it_links_to(tmp_path: Path) -> None:
    _, given = report_inputs(tmp_path, ALL_ENGINES)
    page = render(*given)
    first = part(page, "answer")
    cards = first.split('<div class="card" id="answer-')[1:]
    assert [card.partition('"')[0] for card in cards] == ["at-once", "live", "factor", "same"]
    shown = 0
    for card in cards:
        target = card.partition('href="#')[2].partition('"')[0]
        table = cells(page.partition(f'id="{target}"')[2].partition("</details>")[0])
        for value in card.split('<span class="big">')[1:]:
            middle = value.partition("<span")[0]
            around = text("<" + value.partition('<span class="around"')[2].partition("</p>")[0])
            assert f"{middle} {around}".strip() in table
            shown += 1
    assert shown >= 5
    assert html.unescape(first).count("smollm2-135m") >= 1
