"""The order of the report, what folds, and its links to the files beside it."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pandas as pd
import pytest
from builders.page_text import part, parts, text
from builders.pictures import write_picture
from builders.places import SCRIPTS
from builders.report_inputs import report_inputs

from kvbench.report.html import figure
from kvbench.report.page import render
from kvbench.report.sections import sections

Rendered = tuple[dict[str, pd.DataFrame], str]
MARKUP = '<script>alert("x")</script>'
ORDER = [
    *("answer", "blocks", "in-short", "how", "memory", "speed", "block-table", "latency", "tokens", "claims"),
    *("method", "environment", "reproduce", "cite"),
]


def test_the_story_is_in_the_readers_order_and_in_the_contents(shown: Rendered) -> None:
    page = shown[1]
    assert parts(page) == ORDER
    contents = page.partition('<nav class="contents"')[2].partition("</nav>")[0]
    assert re.findall(r'href="#([^"]*)"', contents) == ORDER
    for name, title in re.findall(r'href="#([^"]*)">([^<]*)<', contents)[1:]:
        assert f"<h2>{title}</h2>" in part(page, name)


def test_every_link_in_the_page_has_its_target_once(shown: Rendered) -> None:
    page = shown[1]
    for target in set(re.findall(r'href="#([^"]+)"', page)):
        assert page.count(f'id="{target}"') == 1, target


def _two_workloads(root: Path) -> tuple:
    """Two workloads; capacity of paging has a ratio only in the second."""
    _, given = report_inputs(root)
    tables = dict(given[2])
    for name, table in tables.items():
        if {"model", "workload"} <= set(table) and name != "benchmarks":
            tables[name] = pd.concat([table, table[table["workload"] == "mixed"].assign(workload="tight")])
    rows = tables["attribution"]
    capacity = (rows["workload"] == "tight") & (rows["factor"] == "capacity of paging")
    tables["attribution"] = rows.assign(ratio=rows["ratio"].mask(capacity, 1.5))
    again = report_inputs(root / "again")[1][4]
    for run in again:
        run.record["workload"] = "tight"
    return (*given[:2], tables, given[3], [*given[4], *again])


def test_the_workload_of_the_first_screen_is_first_and_open_everywhere(tmp_path: Path) -> None:
    given = _two_workloads(tmp_path)
    of_runs = {name: table for name, table in given[2].items() if name != "targets"}
    assert [one.workload for one in sections(of_runs, given[3], given[4], 0)] == ["tight", "mixed"]
    maps = [("smollm2-135m", "mixed", "AAAA"), ("smollm2-135m", "tight", "BBBB")]
    page = render(*given, maps=maps)
    boxes = re.findall(r'<details class="of" id="(\w[\w-]*)-(\d)"( open)?>\n<summary><h\d>([^<]*)</h\d>', page)
    assert {name for name, *_ in boxes} >= {"in-short", "memory", "speed", "latency", "parity", "claims", "requests"}
    assert {(number, bool(is_open), title.partition(": ")[2]) for _, number, is_open, title in boxes} == {
        ("1", True, "tight"),
        ("2", False, "mixed"),
    }
    assert "1.50" in text(part(page, "answer"))
    assert re.findall(r'id="(map-\d)" data-block-map data-name="([^"]*)"', page) == [
        ("map-1", "smollm2-135m/tight"),
        ("map-2", "smollm2-135m/mixed"),
    ]
    assert page.index("AAAA") > page.index('<details class="of map">') > page.index("BBBB")


def test_a_page_without_a_map_says_so_and_carries_none_of_its_code(shown: Rendered) -> None:
    assert "There is no map of the blocks" in part(shown[1], "blocks")
    assert "DecompressionStream" not in shown[1]
    assert len(shown[1]) < 600_000


def test_below_each_figure_are_its_files_and_its_table(shown: Rendered) -> None:
    below = part(shown[1], "speed").partition('alt="throughput"')[2].partition("</figure>")[0]
    place = "figures/smollm2-135m/mixed/throughput"
    assert re.findall(r'href="([^"]*)"', below) == [f"{place}.pdf", f"{place}.svg", "tables/throughput.csv"]
    below = part(shown[1], "memory").partition('alt="memory"')[2].partition("</figure>")[0]
    assert 'href="tables/kv_waste.csv"' in below


def test_addresses_of_files_are_quoted(tmp_path: Path) -> None:
    folder = tmp_path / 'figures/a "b" <c>&d/e?#f'
    folder.mkdir(parents=True)
    assert figure(write_picture(folder / "memory.svg")).place == "figures/a%20%22b%22%20%3Cc%3E%26d/e%3F%23f/memory"
    assert figure(write_picture(tmp_path / "memory.svg")).place == ""


@pytest.mark.parametrize("name", [MARKUP, '"><b id="x">', "m" * 100])
def test_names_stay_text(tmp_path: Path, name: str) -> None:
    _, given = report_inputs(tmp_path)
    plain = render(*given)
    tables = {
        key: table.assign(**{column: name for column in ("model", "workload") if column in table})
        for key, table in given[2].items()
    }
    for run in given[4]:
        run.record.update(model=name, workload=name)
    environment = {**given[0], "cpu": {"model": name}}
    page = render(environment, f"a: {name!r}\n", tables, [], given[4], maps=[(name, name, "AAAA")])
    escaped = html.escape(name).replace("&quot;", "&#34;")
    assert page.count(escaped) > 20
    assert name == escaped or name not in page
    code = SCRIPTS / "kvbench/report/templates/report/report.js"
    assert code.read_text().strip() in page
    assert page.count('<section class="part"') == plain.count('<section class="part"')
