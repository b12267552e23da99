"""The page shows recorded runs, from packed tables, as a plain reader of the document counts them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.block_map_pages import write_page
from builders.mapped_runs import mapped_run, with_stride, workload_of
from builders.read_maps import PARTS, counts_of, tables_of
from builders.shared_runs import goes_on, shared_document
from builders.shown_maps import shown
from builders.simulated_requests import make_requests

from kvbench.blockmap.document import make
from kvbench.blockmap.packing import packed

REQUESTS = make_requests(12)
COUNTS = ("running", "waiting", *PARTS)
# Of each step of a side: counts, cells of each request, and what the page says to be wrong.
SEEN = """([side, steps, requests]) => Array.from({ length: steps }, (_, step) => {
  const map = kvbenchMaps.map;
  map.seek(side, step);
  const wrong = [...document.querySelectorAll("[data-part=warning]")].map((e) => e.textContent).join("");
  const held = Array.from({ length: requests }, (_, request) => map.holds(request, side));
  return [map.counts(side), held, wrong];
})"""


def recorded(folder: Path) -> dict[str, Any]:
    runs = [mapped_run(folder, engine, REQUESTS, slots=544) for engine in ("vllm", "hf-continuous", "hf-static")]
    return make("m", "mixed", runs, workload_of(REQUESTS, folder), folder / "model.json")


DOCUMENTS = {
    "three engines": recorded,
    "one runs and one has ended": lambda folder: shared_document(folder, [(70, 3), (70, 2)], **goes_on(0)),
    "the one that filled blocks has ended": lambda folder: shared_document(folder, [(70, 2), (70, 3)], **goes_on(1)),
    "both have ended": lambda folder: shared_document(folder, [(70, 2), (70, 2)]),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_step_adds_up_on_the_page(open_page: Callable[..., Any], tmp_path: Path, name: str) -> None:
    document = DOCUMENTS[name](tmp_path)
    small = document | {"sides": [packed(side) for side in document["sides"]]}
    page = shown(open_page(write_page(tmp_path / "page.html", {"map": small})))
    for number, side in enumerate(document["sides"]):
        seen = page.evaluate(SEEN, [number, len(side["t_us"]), len(document["requests"])])
        for (counts, held, wrong), expected, tables in zip(seen, counts_of(side), tables_of(side), strict=True):
            assert wrong == ""
            assert {count: counts[count] for count in COUNTS} == expected
            assert {request: cells for request, cells in enumerate(held) if cells} == tables


def test_a_document_without_sides_says_why(open_page: Callable[..., Any], tmp_path: Path) -> None:
    path = mapped_run(tmp_path, "hf-static", REQUESTS, slots=544)
    document = make("m", "mixed", [path], workload_of(REQUESTS, tmp_path), tmp_path / "model.json")
    page = open_page(write_page(tmp_path / "page.html", {"map": document}))
    page.wait_for_function("window.kvbenchMaps && kvbenchMaps.map.open().then(() => true)")
    assert page.locator("[data-part=message]").inner_text() == document["reason"]


def test_added_blocks_are_marked_though_the_document_does_not_name_them(
    open_page: Callable[..., Any], tmp_path: Path
) -> None:
    page = shown(open_page(write_page(tmp_path / "page.html", {"map": recorded(tmp_path)})))
    shown_marks = page.locator(".bm-events li:visible").all_inner_texts()
    assert shown_marks == ["admitted", "block added", "completed", "preempted"]


def test_between_readings_nothing_is_said_to_be_wrong(open_page: Callable[..., Any], tmp_path: Path) -> None:
    path = mapped_run(tmp_path, "vllm", REQUESTS[:3], slots=544)
    with_stride(path, 3)
    document = make("m", "mixed", [path], workload_of(REQUESTS[:3], tmp_path), tmp_path / "model.json")
    page = shown(open_page(write_page(tmp_path / "page.html", {"map": document})))
    steps = len(document["sides"][0]["t_us"])
    assert {wrong for _, _, wrong in page.evaluate(SEEN, [0, steps, 3])} == {""}
