"""What the page shows of a model whose layers differ, against kv.parquet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.block_map_pages import write_page
from builders.hybrid_runs import hybrid_documents, shared_hybrid_document
from builders.shown_maps import shown

from kvbench.blockmap.packing import packed
from kvbench.files import read_parquet
from kvbench.records import SPLIT

# Of each step of a side: what its panel says in all and of each kind of layers, and what it says to be wrong.
SEEN = """([side, steps]) => Array.from({ length: steps }, (_, step) => {
  kvbenchMaps.map.seek(side, step);
  const panel = document.querySelector(`[data-part=side][data-side="${side}"]`);
  const all = [...panel.querySelectorAll("[data-count]")].map((e) => [e.dataset.count, Number(e.dataset.value)]);
  const kinds = [...panel.querySelectorAll("[data-part=kinds] li")].map((item) =>
    Object.fromEntries([...item.attributes].map((a) => [a.name.slice(5), Number(a.value)])),
  );
  return [Object.fromEntries(all), kinds, panel.querySelector("[data-part=warning]").textContent];
})"""

# Colours between two places of the map's first line, for each pair of them.
COLOURS = """(canvas, pairs) => {
  const { data } = canvas.getContext("2d").getImageData(0, 4, canvas.width, 6);
  const pixels = new Uint32Array(data.buffer);
  const scale = canvas.width / canvas.clientWidth;
  return pairs.map(([from, to]) =>
    new Set(pixels.filter((_, i) => i % canvas.width >= from * scale && i % canvas.width < to * scale)).size);
}"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("runs")
    return folder, hybrid_documents(folder)


@pytest.fixture
def page(recorded: tuple[Path, dict[str, Any]], open_page: Callable[..., Any], tmp_path: Path) -> Any:
    document = recorded[1]
    small = document | {"sides": [packed(side) for side in document["sides"]]}
    return shown(open_page(write_page(tmp_path / "page.html", {"map": small})))


def test_counts_on_screen_are_those_of_kv_parquet(page: Any, recorded: tuple[Path, dict[str, Any]]) -> None:
    folder, document = recorded
    page.locator("[data-part=chooser] select").nth(1).select_option("")
    for number, side in enumerate(document["sides"]):
        page.locator("[data-part=chooser] select").first.select_option(str(number))
        kv = read_parquet(folder / side["engine"] / "kv.parquet").to_pylist()
        for row, (counts, kinds, wrong) in zip(kv, page.evaluate(SEEN, [number, len(kv)]), strict=True):
            assert wrong == ""
            assert {part: counts[part] for part in SPLIT} == {part: row[part] for part in SPLIT}
            for shown_kind, kind in zip(kinds, row["groups"] or kinds, strict=True):
                assert {part: shown_kind[part] for part in SPLIT} == {part: kind[part] for part in SPLIT}
                assert shown_kind["allocated"] == kind["allocated"]


def test_shared_blocks_of_layers_that_differ_add_up(open_page: Callable[..., Any], tmp_path: Path) -> None:
    document = shared_hybrid_document(tmp_path)
    page = shown(open_page(write_page(tmp_path / "page.html", {"map": document})))
    kv = read_parquet(tmp_path / "kv.parquet").to_pylist()
    for row, (counts, kinds, wrong) in zip(kv, page.evaluate(SEEN, [0, len(kv)]), strict=True):
        assert wrong == ""
        assert {part: counts[part] for part in SPLIT} == {part: row[part] for part in SPLIT}
        assert sum(kind["allocated"] for kind in kinds) == row["allocated"]


def test_a_kind_that_does_not_add_up_is_said(
    recorded: tuple[Path, dict[str, Any]], open_page: Callable[..., Any], tmp_path: Path
) -> None:
    first, *others = recorded[1]["sides"]
    sliding, full = first["groups"]
    changed = sliding | {"expired": [value + (step == 3) for step, value in enumerate(sliding["expired"])]}
    document = recorded[1] | {"sides": [first | {"groups": [changed, full]}, *others]}
    page = shown(open_page(write_page(tmp_path / "page.html", {"map": document})))
    page.evaluate("kvbenchMaps.map.seek(0, 3)")
    said = page.locator("[data-part=warning]:visible").all_inner_texts()
    assert said == ["This step does not add up to kv.parquet: expired of sliding layers."]


def test_a_request_says_what_it_gave_back_and_its_tables(page: Any) -> None:
    """At step 3 `r0` has 13 tokens in four blocks of each table; two tables have a window and gave their first back."""
    page.evaluate("kvbenchMaps.map.choose(0); kvbenchMaps.map.seek(0, 3)")
    assert page.locator("[data-part=of-title]").first.inner_text() == "Its 3 block tables"
    entries = page.locator("[data-part=of-table]").first.locator("li").all_inner_texts()
    assert entries[:3] == [
        "sliding, window 8, 3 layers: 6 of 8 blocks held, 2 given back",
        "full, 2 layers: 4 of 4 blocks held",
        "Table 1: sliding, window 8",
    ]
    assert [entry.split() for entry in entries[3:7]] == [
        ["0", "→", "none", "0/4"],
        ["1", "→", "2", "4/4"],
        ["2", "→", "3", "4/4"],
        ["3", "→", "5", "1/4"],
    ]
    rows = page.locator("[data-part=of-table]").nth(1).locator("li").all_inner_texts()
    assert [" ".join(row.split()) for row in rows] == [
        *("sliding, window 8, 3 layers", "row → 0 8/8"),
        *("full, 2 layers", "row → 0 13/13"),
    ]


def test_expired_tokens_and_unused_pages_have_a_look_of_their_own(page: Any) -> None:
    """Block 2 holds tokens 5 to 8 of 2 layers in step 2, of which one has left the window."""
    page.evaluate("kvbenchMaps.map.seek(0, 2)")
    key = page.locator(".bm-key").inner_text()
    assert key.startswith("A slot is room for one token in one layer, a colour is a request.")
    assert "Dotted" in key
    assert "Ruled" in key
    grid = page.locator("[data-part=grid]").first
    slot = grid.bounding_box()["width"] / line_slots(page)
    grid.hover(position={"x": 12 * slot, "y": 5})
    told = page.locator("[data-part=tip]").first.inner_text()
    assert told == "Block 2: request #0 r0, its block 1 of table 1 (sliding, window 8); 6 live, 2 expired"
    expired, live = grid.evaluate(COLOURS, [[8 * slot + 3, 10 * slot - 1], [11 * slot, 15 * slot]])
    assert live == 1
    assert expired == 2, "a ground and dots"


def line_slots(page: Any) -> int:
    """Slots of a line of the map."""
    words = page.locator("[data-part=scale]").inner_text().split("a full line is ")[1]
    return int(words.split(" ")[0].replace(",", ""))
