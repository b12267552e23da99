"""What the map of the blocks shows of a step, against a simulation that knows every step."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.block_map_pages import write_page
from builders.block_maps import Simulated, paged_side, requests_of, rows_side, simulate
from builders.shown_maps import counts, holds, moment, shown, times
from builders.simulated_requests import Request

PARTS = ("live", "reserved", "internal", "padding", "finished")
Opened = Callable[..., Any]
PIXELS = """(canvas, points) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return points.map(([x, y]) => [0, 1, 2].map((i) => data[4 * (Math.floor(y) * canvas.width + Math.floor(x)) + i]));
}"""


def test_the_slider_moves_both_sides_to_what_their_requests_hold(opened: Any, simulated: Simulated) -> None:
    paged, rows = simulated.document["sides"][:2]
    for step in (0, 7, 25, 3, len(paged["t_us"]) - 1):
        time = times(paged)[step]
        opened.locator("[data-part=slider]").fill(str(time))
        beside = int(np.searchsorted(times(rows), time, side="right")) - 1
        assert moment(opened)["step"] == step
        for request in (0, 2, 5):
            assert holds(opened, request, 0) == simulated.holds[0][step].get(request, [])
            assert holds(opened, request, 1) == simulated.holds[1][beside].get(request, [])


@pytest.mark.parametrize("side", [0, 1, 2])
def test_counts_on_screen_are_the_recorded_ones(opened: Any, simulated: Simulated, side: int) -> None:
    recorded = simulated.document["sides"][side]
    for step in range(0, len(recorded["t_us"]), 9):
        opened.evaluate(f"kvbenchMaps.map.seek({side}, {step})")
        found = counts(opened, moment(opened)["shown"].index(side))
        assert {name: found[name] for name in PARTS} == {name: recorded[name][step] for name in PARTS}
        assert (found["running"], found["waiting"]) == (recorded["running"][step], recorded["waiting"][step])
        assert found["used"] == len({cell for cells in simulated.holds[side][step].values() for cell in cells})
        if recorded["form"] == "rows":
            assert found["free"] == recorded["pool_slots"] - sum(found[name] for name in PARTS)
        else:
            assert found["used"] + found["free"] == recorded["cells"]
    assert opened.locator("[data-part=warning]:visible").count() == 0


@pytest.mark.parametrize("rows", [3, 4, 5, 6])
def test_rows_that_the_memory_holds_lie_within_its_lines(tmp_path: Path, open_page: Opened, rows: int) -> None:
    """Both sides have one scale: a batch that fills the memory is as high as the blocks of as much of it."""
    few_and_long = Request("long", 300, 90)  # alone in the last batch, whose row sets the length of a line
    requests = [*requests_of(60), few_and_long]
    batch = rows_side(requests, engine="hf-batch", rows=rows, width=None)
    blocks = -(-max(map(sum, zip(*(batch[0][part] for part in PARTS), strict=True))) // 16)
    batch[0]["pool_slots"] = 16 * blocks
    both = simulate(requests, paged_side(requests, blocks=blocks, block_size=16, chunk=48), batch)
    page = shown(open_page(write_page(tmp_path / "page.html", {"map": both.document})))
    heights = page.locator("[data-part=grid]").evaluate_all("all => all.map((canvas) => canvas.height)")
    assert len(heights) == 2
    assert heights[0] == heights[1]


def test_shared_blocks_count_once(tmp_path: Path, open_page: Opened) -> None:
    requests = [Request(request.id, request.prompt + 64, request.output) for request in requests_of(12)]
    simulated = simulate(requests, paged_side(requests, blocks=40, shared_prefix=64))
    page = shown(open_page(write_page(tmp_path / "page.html", {"map": simulated.document})))
    side, most = simulated.document["sides"][0], 0
    for step in range(0, len(side["t_us"]), 3):
        page.evaluate(f"kvbenchMaps.map.seek(0, {step})")
        assert counts(page, 0)["live"] == side["live"][step]
        held = [cell for cells in simulated.holds[0][step].values() for cell in cells]
        most = max(most, len(held) - len(set(held)))
    assert most > 0, "nothing was shared"
    assert page.locator("[data-part=warning]:visible").count() == 0


def test_counts_that_differ_from_the_recorded_ones_are_said(
    simulated: Simulated, tmp_path: Path, open_page: Opened
) -> None:
    paged, *others = simulated.document["sides"]
    changed = paged | {"live": [value + (step == 5) for step, value in enumerate(paged["live"])]}
    document = simulated.document | {"sides": [changed, *others]}
    page = shown(open_page(write_page(tmp_path / "page.html", {"map": document})))
    page.evaluate("kvbenchMaps.map.seek(0, 5)")
    warning = page.locator("[data-part=warning]:visible")
    assert warning.all_inner_texts() == ["This step does not add up to kv.parquet: live."]
    page.evaluate("kvbenchMaps.map.seek(0, 6)")
    assert warning.count() == 0


def test_cells_lie_in_order_and_have_the_colours_of_their_requests(opened: Any, simulated: Simulated) -> None:
    side, step = simulated.document["sides"][0], 9
    opened.evaluate(f"kvbenchMaps.map.seek(0, {step})")
    line = int(re.search(r"full line is ([\d,]+) slots", opened.locator("[data-part=scale]").inner_text())[1])
    grid = opened.locator("[data-part=grid]").first
    width, height = grid.evaluate("canvas => [canvas.clientWidth, canvas.clientHeight]")
    pitch = height / -(-side["pool_slots"] // line)
    owners = {cell: request for request, cells in simulated.holds[0][step].items() for cell in cells[:-1]}
    points = [((cell * 16 % line + 4) / line * width, (cell * 16 // line + 0.5) * pitch) for cell in owners]
    pixels = grid.evaluate(PIXELS, points)
    colours: dict[int, list[int]] = {}
    for (cell, request), (x, y), pixel in zip(owners.items(), points, pixels, strict=True):
        grid.hover(position={"x": x, "y": y})
        assert opened.locator("[data-part=tip]").first.inner_text().startswith(f"Block {cell}: request #{request} ")
        assert colours.setdefault(request, pixel) == pixel
    assert len({tuple(colour) for colour in colours.values()}) == len(colours) > 2


def test_when_the_leading_side_ends_the_other_goes_on(opened: Any, simulated: Simulated) -> None:
    paged, rows = simulated.document["sides"][:2]
    assert times(paged)[-1] < times(rows)[-1]
    opened.evaluate(f"kvbenchMaps.map.seek(0, {len(paged['t_us']) - 1})")
    opened.locator("[data-part=forward]").click()
    assert moment(opened)["side"] == 1
    opened.evaluate(f"kvbenchMaps.map.seek(1, {len(rows['t_us']) - 1})")
    assert opened.locator("[data-part=where]").first.inner_text().startswith("all served after")
    assert counts(opened, 0)["used"] == 0


def test_a_click_on_a_block_chooses_its_request(opened: Any, simulated: Simulated) -> None:
    opened.evaluate("kvbenchMaps.map.seek(0, 6)")
    request, cells = next(iter(simulated.holds[0][6].items()))
    assert cells[0] == 0
    opened.locator("[data-part=grid]").first.click(position={"x": 4, "y": 4})
    assert moment(opened)["request"] == request
    side = simulated.document["sides"][0]
    pairs = side["tokens"][request]
    stored = next(n + 6 - step for step, n in zip(pairs[-2::-2], pairs[::-2], strict=False) if step <= 6)
    entries = opened.locator("[data-part=of-table]").first.locator("li").all_inner_texts()
    filled = [min(16, max(0, stored - 16 * i)) for i in range(len(cells))]
    assert [entry.split() for entry in entries] == [
        [str(i), "→", str(cell), f"{filled[i]}/16"] for i, cell in enumerate(cells)
    ]
    wanted = simulated.document["requests"][request]
    count = min(max(stored - wanted["prompt_tokens"] + 1, 0), wanted["output_tokens"])
    assert opened.locator("[data-part=of-text]").first.text_content() == "".join(wanted["output"][:count])
    opened.keyboard.press("Escape")
    assert moment(opened)["request"] is None


def test_a_preempted_request_loses_its_blocks_but_keeps_its_text(opened: Any, simulated: Simulated) -> None:
    side = simulated.document["sides"][0]
    events = np.reshape(side["events"], (-1, 3)).tolist()
    step, _, request = next(event for event in events if event[1] == 3 and len(side["tokens"][event[2]]) > 2)
    opened.evaluate(f"kvbenchMaps.map.choose({request}); kvbenchMaps.map.seek(0, {step - 1})")
    said = opened.locator("[data-part=of-count]").first
    before = said.inner_text()
    assert not before.startswith("0 of")
    opened.evaluate(f"kvbenchMaps.map.seek(0, {step})")
    assert holds(opened, request, 0) == simulated.holds[0][step].get(request, []) == []
    assert said.inner_text() == before
    assert opened.locator("[data-part=of-state]").first.inner_text().startswith("preempted")
