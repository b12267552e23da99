"""What needs no browser: the macros, the scripts that they inline, and the simulation that browser tests trust."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path

import pytest
from builders.block_map_pages import write_page
from builders.block_maps import Simulated, paged_side, rows_side, simulate
from builders.simulated_requests import Request

from kvbench.report import html

TEMPLATES = Path(html.__file__).with_name("templates")
SCRIPTS = sorted((TEMPLATES / "block-map").glob("*.js"))
PARTS = ("live", "reserved", "internal", "padding", "finished")


def simulated(shared_prefix: int = 0) -> Simulated:
    requests = [Request(f"r{i}", shared_prefix + 20 + 13 * i % 90, 8 + 7 * i % 40) for i in range(16)]
    paged = paged_side(requests, blocks=24, block_size=16, chunk=48, shared_prefix=shared_prefix)
    return simulate(requests, paged, rows_side(requests, rows=3, width=200))


@pytest.mark.parametrize("shared_prefix", [0, 64])
def test_the_simulated_slots_are_those_of_the_blocks_and_rows_held(shared_prefix: int) -> None:
    found = simulated(shared_prefix)
    for side, holds in zip(found.document["sides"], found.holds, strict=True):
        for step, tables in enumerate(holds):
            cells = [cell for table in tables.values() for cell in table]
            size = side["cell_slots"] or side["width"][step]
            assert sum(side[part][step] for part in PARTS) == len(set(cells)) * size
            assert shared_prefix or len(set(cells)) == len(cells)
            assert max(cells) < side["cells"]


def test_the_simulation_preempts_and_completes_every_request() -> None:
    paged = simulated().document["sides"][0]
    kinds = paged["events"][1::3]
    assert kinds.count(2) == 16
    assert kinds.count(3) > 0
    assert kinds.count(0) == 16 + kinds.count(3)


def test_the_changes_lead_to_what_is_held() -> None:
    found = simulated()
    for side, holds in zip(found.document["sides"], found.holds, strict=True):
        tables: dict[int, list[int]] = {}
        for changes, held in zip(side["changes"], holds, strict=True):
            for request, logical, cell in zip(changes[::3], changes[1::3], changes[2::3], strict=True):
                if logical < 0:
                    tables.pop(request)
                else:
                    table = tables.setdefault(request, [])
                    assert logical == len(table)
                    table.append(cell)
            assert tables == held


def test_a_page_holds_each_document_and_escapes_its_name(tmp_path: Path) -> None:
    document = simulated().document | {"model": "<b>m</b>"}
    write_page(tmp_path / "page.html", {"one": document, "two": document})
    page = (tmp_path / "page.html").read_text()
    assert 'data-name="&lt;b&gt;m&lt;/b&gt;/mixed"' in page
    assert "<b>m</b>" not in page
    found = re.findall(r'data-part="data">([^<]*)</script>', page)
    assert [json.loads(gzip.decompress(base64.b64decode(data))) for data in found] == [document] * 2
    for script in SCRIPTS:
        assert page.count(script.read_text()) == 1


def test_scripts_reach_no_network_and_set_no_markup() -> None:
    assert SCRIPTS
    for script in SCRIPTS:
        assert not re.findall(
            r"innerHTML|insertAdjacent|document\.write|\beval\(|fetch\(|XMLHttp|https?:|import\(", script.read_text()
        )
