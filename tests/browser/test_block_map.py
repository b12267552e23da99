"""The map of the blocks in a real browser, against what a simulation knows of every step."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.block_map_pages import write_page
from builders.block_maps import Simulated, paged_side, rows_side, simulate
from builders.simulated_requests import Request

PARTS = ("live", "reserved", "internal", "padding", "finished")
Opened = Callable[..., Any]


def requests_of(count: int = 24) -> list[Request]:
    return [Request(f"r{i:02d}", 20 + 13 * i % 90, 8 + 7 * i % 40) for i in range(count)]


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    """Memory binds: requests wait and are preempted; the same requests in three rows and in growing batches."""
    requests = requests_of()
    paged = paged_side(requests, blocks=30, block_size=16, chunk=48)
    rows = rows_side(requests, rows=3, width=160, pool_slots=480)
    growing = rows_side(requests, engine="hf-batch", rows=4, width=None, pool_slots=480)
    tour = [
        {"title": "The first", "text": "It comes.", "side": 0, "step": 2, "request": 1, "cell": None},
        {"title": "A row", "text": "It is long.", "side": 2, "step": 9, "request": None, "cell": 1},
    ]
    return simulate(requests, paged, rows, growing, tour=tour)


@pytest.fixture
def opened(simulated: Simulated, tmp_path: Path, open_page: Opened) -> Any:
    return shown(open_page(write_page(tmp_path / "page.html", {"map": simulated.document})))


def shown(page: Any, name: str = "map") -> Any:
    page.wait_for_function(f"window.kvbenchMaps && kvbenchMaps['{name}'].open().then(() => true)")
    return page


def moment(page: Any, name: str = "map") -> dict[str, Any]:
    return page.evaluate(f"kvbenchMaps['{name}'].moment()")


def holds(page: Any, request: int, side: int) -> list[int]:
    return page.evaluate(f"kvbenchMaps.map.holds({request}, {side})")


def counts(page: Any, panel: int) -> dict[str, int]:
    found = page.locator("[data-part=side]").nth(panel).locator("[data-count]:not([data-count=share])")
    return found.evaluate_all("all => Object.fromEntries(all.map(e => [e.dataset.count, Number(e.dataset.value)]))")


def times(side: dict[str, Any]) -> np.ndarray:
    return np.cumsum(side["t_us"])


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
        assert found["used"] + found["free"] == recorded["cells"]
    assert opened.locator("[data-part=warning]:visible").count() == 0


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


def test_keys_step_and_play(opened: Any, simulated: Simulated) -> None:
    opened.evaluate("kvbenchMaps.map.seek(0, 12)")
    opened.locator("[data-part=stage]").focus()
    last = len(simulated.document["sides"][0]["t_us"]) - 1
    for key, step in (("ArrowRight", 13), ("Shift+ArrowRight", 23), ("ArrowLeft", 22), ("Home", 0), ("End", last)):
        opened.keyboard.press(key)
        assert moment(opened)["step"] == step
    opened.keyboard.press("Home")
    opened.keyboard.press("Space")
    opened.wait_for_function("kvbenchMaps.map.moment().step > 2")
    opened.keyboard.press("Space")
    assert opened.locator("[data-part=play]").inner_text() == "Play"


def test_when_the_leading_side_ends_the_other_goes_on(opened: Any, simulated: Simulated) -> None:
    paged, rows = simulated.document["sides"][:2]
    assert times(paged)[-1] < times(rows)[-1]
    opened.evaluate(f"kvbenchMaps.map.seek(0, {len(paged['t_us']) - 1})")
    opened.locator("[data-part=forward]").click()
    assert moment(opened)["side"] == 1
    opened.evaluate(f"kvbenchMaps.map.seek(1, {len(rows['t_us']) - 1})")
    assert opened.locator("[data-part=where]").first.inner_text().startswith("all served after")
    assert counts(opened, 0)["used"] == 0


def test_a_link_goes_to_its_moment_and_the_address_follows(
    simulated: Simulated, tmp_path: Path, open_page: Opened
) -> None:
    address = write_page(tmp_path / "page.html", {"map": simulated.document}, folded=True)
    page = shown(open_page(f"{address}#map=tiny/mixed&side=1&step=17&request=3"))
    assert moment(page) | {"time": 0} == {"side": 1, "step": 17, "time": 0, "request": 3, "shown": [0, 1]}
    assert page.locator("[data-part=grid]").first.is_visible()
    page.evaluate("location.hash = '#map=tiny/mixed&side=2&step=4&show=2,0'")
    page.wait_for_function("kvbenchMaps.map.moment().step === 4")
    assert (moment(page)["side"], moment(page)["shown"], moment(page)["request"]) == (2, [2, 0], None)
    page.locator("[data-part=forward]").click()
    page.wait_for_function("location.hash === '#map=tiny/mixed&side=2&step=5&show=2,0'")


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


def test_a_waiting_request_is_chosen_by_its_chip(opened: Any) -> None:
    opened.evaluate("kvbenchMaps.map.seek(0, 6)")
    chip = opened.locator("[data-part=queue]").first.locator("button").last
    number = int(chip.inner_text()[1:])
    chip.click()
    assert moment(opened)["request"] == number
    assert opened.locator("[data-part=of-state]").first.inner_text() == "waiting: it holds nothing"


def test_the_tour_goes_to_its_stops_and_shows_their_side(opened: Any) -> None:
    opened.locator("[data-part=tour-next]").click()
    assert (moment(opened)["side"], moment(opened)["step"], moment(opened)["request"]) == (0, 2, 1)
    opened.locator("[data-part=tour-next]").click()
    assert (moment(opened)["side"], moment(opened)["step"], moment(opened)["shown"]) == (2, 9, [0, 2])
    assert opened.locator("[data-part=tour-text]").inner_text() == "It is long."
    assert opened.locator("[data-part=tour-next]").is_disabled()


def test_chosen_sides_are_shown_and_may_be_one(opened: Any) -> None:
    opened.locator("[data-part=first]").select_option("2")
    assert moment(opened)["shown"] == [2, 1]
    opened.locator("[data-part=second]").select_option("")
    assert moment(opened)["shown"] == [2]
    assert opened.locator("[data-part=side]:visible").count() == 1


@pytest.mark.parametrize(("scheme", "dark"), [("dark", True), ("light", False)])
def test_the_background_follows_the_colour_scheme(
    simulated: Simulated, tmp_path: Path, open_page: Opened, scheme: str, dark: bool
) -> None:
    image = pytest.importorskip("PIL.Image")
    address = write_page(tmp_path / "page.html", {"map": simulated.document})
    page = shown(open_page(address, color_scheme=scheme))
    for shot in (page.locator("#map"), page.locator("[data-part=curves]")):
        pixels = np.asarray(image.open(io.BytesIO(shot.screenshot())).convert("L"))
        assert (np.median(pixels) < 60) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(
    simulated: Simulated, tmp_path: Path, open_page: Opened, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = shown(
        open_page(write_page(tmp_path / "page.html", {"map": simulated.document}), width=width, color_scheme=scheme)
    )
    page.evaluate("kvbenchMaps.map.seek(0, 6); kvbenchMaps.map.choose(1)")
    violations = axe.Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in violations if v["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_html_in_data_stays_text(tmp_path: Path, open_page: Opened) -> None:
    markup = "<img src=x onerror=\"document.title='run'\"></script><b>bold</b>"
    requests = [Request(markup, 40, 5)]
    side, held = paged_side(requests, engine=markup)
    tour = [{"title": markup, "text": markup, "side": 0, "step": 1, "request": 0, "cell": 0}]
    simulated = simulate(requests, (side | {"source": markup}, held), model=markup, tour=tour)
    simulated.document["requests"][0] |= {"prompt": markup, "output": [markup] * 5}
    page = shown(open_page(write_page(tmp_path / "page.html", {"map": simulated.document})))
    page.locator("[data-part=tour-next]").click()
    assert page.locator("[data-part=prompt]").text_content() == markup
    assert page.locator("[data-part=of-text]").first.text_content() == markup * 2
    assert page.locator("[data-part=tour-title]").text_content() == markup
    assert page.locator("#map img").count() == 0
    assert page.title() == "Maps"


@pytest.mark.parametrize("width", [1280, 390])
def test_poor_documents_say_what_they_have(tmp_path: Path, open_page: Opened, width: int) -> None:
    long = "m" * 100
    one = [Request("only", 5, 1)]
    no_steps = simulate([Request("r", 5, 3)], paged_side([], blocks=4))
    no_steps.document["sides"][0] |= {"tokens": [[]], "final": [7]}
    documents = {
        "none": simulate(one).document,
        "one": simulate(one, paged_side(one, engine=long), rows_side(one, rows=1, width=5), model=long).document,
        "empty": no_steps.document | {"workload": "empty"},
    }
    page = open_page(write_page(tmp_path / "page.html", documents), width=width)
    for name in documents:
        shown(page, name)
    assert re.search("No engine recorded", page.locator("#none [data-part=message]").inner_text())
    assert page.locator("#one [data-part=tour]").is_hidden()
    assert page.locator("#one [data-count=live]").all_inner_texts() == ["5", "5"]
    assert page.locator("#empty [data-part=where]").first.inner_text() == "no step was recorded"
    page.locator("#empty [data-part=play]").click()
    page.locator("#empty [data-part=forward]").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_map_is_read_only_when_it_is_seen(simulated: Simulated, tmp_path: Path, open_page: Opened) -> None:
    document = simulated.document
    page = open_page(
        write_page(tmp_path / "page.html", {"a": document, "b": document | {"workload": "b"}}, folded=True)
    )
    assert page.locator("[data-part=body]:not([hidden])").count() == 0
    page.locator("summary").nth(1).click()
    page.wait_for_selector("#b [data-part=grid]")
    assert page.locator("#a [data-part=body]").get_attribute("hidden") is not None


def test_print_shows_the_present_step_in_light(simulated: Simulated, tmp_path: Path, open_page: Opened) -> None:
    page = shown(open_page(write_page(tmp_path / "page.html", {"map": simulated.document}), color_scheme="dark"))
    page.evaluate("kvbenchMaps.map.seek(0, 6); dispatchEvent(new Event('beforeprint'))")
    paper = "getComputedStyle(document.getElementById('map')).backgroundColor"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(paper) != "rgb(255, 255, 255)"
    assert moment(page)["step"] == 6
