"""The report on requests that arrive over time: its rows, badges, what was not run, and links to the map."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from builders.arriving_tables import capacity, predicted_capacity, ratios
from builders.page_text import cells, folded, part, parts, rows, text
from builders.pictures import write_picture
from builders.report_inputs import report_inputs

from kvbench.report import map_links
from kvbench.report.cells import number
from kvbench.report.page import render

Tables = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, arriving: Tables) -> tuple:
    found = report_inputs(tmp_path_factory.mktemp("report"))[1]
    tables = found[2] | {"serving": arriving[0], "slowest_requests": arriving[1]}
    pictures = [found[3][0].with_name(f"{name}.svg") for name in ("latency_rate", "request_time")]
    return (*found[:2], tables, [*found[3], *map(write_picture, pictures)], *found[4:])


def with_tables(given: tuple, **tables: pd.DataFrame) -> str:
    return render(*given[:2], given[2] | tables, *given[3:])


def document(request: str) -> str:
    """A map of one engine with blocks, on which the second request waited from step 3 to step 8."""
    side = {"engine": "vllm", "tokens": [[0, 4], [9, 7, 30, -1], []], "arrives": [0, 3, 0]}
    made = {"requests": [{"id": "other"}, {"id": request}, {"id": "unserved"}], "sides": [side]}
    return base64.b64encode(gzip.compress(json.dumps(made).encode())).decode()


def test_without_arrivals_there_is_no_such_part(shown: tuple) -> None:
    assert "serving" not in parts(shown[1])


def test_it_follows_latency_and_has_a_row_for_each_engine_and_rate(given: tuple) -> None:
    page = render(*given)
    order = parts(page)
    assert order[order.index("serving") - 1] == "latency"
    shown = part(page, "serving")
    assert "smollm2-135m: mixed" in shown
    table = given[2]["serving"]
    quick = table.query("engine == 'vllm' and requests_per_s == 2").iloc[0]
    interval = [number(1e3 * quick[f"tpot_s_{part}"]) for part in ("median", "ci95_low", "ci95_high")]
    assert {"vllm", "0.5", "2", "8", "{} [{}, {}]".format(*interval), number(quick["ttft_s_p99"])} <= cells(shown)
    found = [row for row in rows(shown) if row[:2] == ["vllm", "8"]]
    assert [(text(row[3]), row[5]) for row in found if "badge" in row[3]] == [("saturated", "–")]
    assert "more arrives than it serves: no latency is averaged" in text(shown)
    assert shown.count("data:image/svg") == 2


def test_a_point_that_is_too_short_to_tell_is_marked(given: tuple) -> None:
    page = with_tables(given, serving=given[2]["serving"].assign(saturated=None))
    states = {text(row[3]) for row in rows(part(page, "serving")) if "badge" in row[3]}
    assert states == {"too short to tell"}


def test_a_late_client_is_said(given: tuple) -> None:
    late = given[2]["serving"].assign(late=True)
    assert part(with_tables(given, serving=late), "serving").count(">late</span>") == len(late)
    assert "more than 5 ms late at p99" in text(part(render(*given), "serving"))
    assert ">late</span>" not in render(*given)


def test_what_was_not_run_is_one_line(given: tuple) -> None:
    table = given[2]["serving"]
    some = table[~((table["engine"] == "hf-batch") & (table["requests_per_s"] == 8))]
    assert folded(part(with_tables(given, serving=some), "serving")) == {
        "1 pair of engine and rate not run": ["hf-batch at 8 requests/s"]
    }
    assert folded(part(render(*given), "serving")) == {}
    unserved = table.assign(n_repeats=table["n_repeats"].mask(table["engine"] == "vllm", 0))
    [names] = folded(part(with_tables(given, serving=unserved), "serving")).values()
    assert names == [f"vllm (requests_per_s-{rate})" for rate in ("0.5", "2", "8")]


def test_capacities_are_shown_once_they_are_known(given: tuple) -> None:
    assert "Capacity at the SLO" not in part(render(*given), "serving")
    shown = part(with_tables(given, slo_capacity=capacity(), slo_ratios=ratios()), "serving")
    assert {"3 [2.50, 3.50]", "above the highest rate", "vllm / vllm-reserved", "1.80 [1.60, 2]"} <= cells(shown)


def test_capacities_over_patterns_that_were_not_run_are_shown_with_their_error(given: tuple) -> None:
    assert "longer patterns of arrivals" not in part(render(*given), "serving")
    shown = part(with_tables(given, predicted_capacity=predicted_capacity()), "serving")
    [reserved] = [row for row in rows(shown) if row[1:3] == ["3.20 [3.10, 3.30]", "24 of 24"]]
    assert reserved == ["vllm-reserved", "3.20 [3.10, 3.30]", "24 of 24", "1.90 [1.80, 2.10]", "3.30", "3", "10"]
    assert ["vllm", "–", "7 of 24", "–", "–", "–", "–"] in rows(shown)


def test_the_slowest_requests_have_the_parts_that_occur(given: tuple) -> None:
    shown = part(render(*given), "serving").partition("The slowest requests")[2]
    heads = re.findall("<th>(.*?)</th>", shown)
    assert {"waiting for memory (s)", "decoding (s)"} <= set(heads)
    assert "preempted and computed again (s)" not in heads
    first = given[2]["slowest_requests"].iloc[0]
    assert {first["request_id"], number(first["e2e_s"]), number(first["memory_wait_s"])} <= cells(shown)
    assert "#map=" not in shown


def test_a_request_is_linked_to_a_map_of_its_point(given: tuple, tmp_path: Path) -> None:
    table = given[2]["slowest_requests"]
    chosen = table[(table["engine"] == "vllm") & (table["point"] == "requests_per_s-8")]
    request = chosen["request_id"].iloc[0]
    maps = [("smollm2-135m", "mixed, 8 requests/s", document(request))]
    shown = part(render(*given, maps=maps), "serving")
    links = re.findall(r'<a href="#map=([^"]*)">([^<]*)</a>', shown)
    assert set(links) == {("smollm2-135m/mixed%2C%208%20requests/s&amp;side=0&amp;step=8&amp;request=1", request)}
    assert len(links) == (chosen.head(5)["request_id"] == request).sum()
    of_base = [("smollm2-135m", "mixed", document(request))]
    assert "#map=" not in part(render(*given, maps=of_base), "serving")


def test_an_address_needs_the_engine_and_a_request_that_it_serves() -> None:
    made = json.loads(gzip.decompress(base64.b64decode(document("slow"))))
    assert map_links.address("m/w", made, "vllm", "slow") == "#map=m/w&side=0&step=8&request=1"
    assert map_links.address("m/w", made, "vllm", "other") == "#map=m/w&side=0&step=0&request=0"
    for engine, request in (("hf-batch", "slow"), ("vllm", "unserved"), ("vllm", "unknown")):
        assert map_links.address("m/w", made, engine, request) == ""
    assert map_links.address("", None, "vllm", "slow") == ""
