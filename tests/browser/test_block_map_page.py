"""The map as a part of a page: colours, accessibility, text from data, poor data, print."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from builders.block_map_pages import write_page
from builders.block_maps import Simulated, paged_side, rows_side, simulate
from builders.shown_maps import moment, shown
from builders.simulated_requests import Request
from PIL import Image

Opened = Callable[..., Any]


@pytest.mark.parametrize(("scheme", "dark"), [("dark", True), ("light", False)])
def test_the_background_follows_the_colour_scheme(
    simulated: Simulated, tmp_path: Path, open_page: Opened, scheme: str, dark: bool
) -> None:
    address = write_page(tmp_path / "page.html", {"map": simulated.document})
    page = shown(open_page(address, color_scheme=scheme))
    for shot in (page.locator("#map"), page.locator("[data-part=curves]")):
        pixels = np.asarray(Image.open(io.BytesIO(shot.screenshot())).convert("L"))
        assert (np.median(pixels) < 60) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(
    simulated: Simulated, tmp_path: Path, open_page: Opened, scheme: str, width: int
) -> None:
    page = shown(
        open_page(write_page(tmp_path / "page.html", {"map": simulated.document}), width=width, color_scheme=scheme)
    )
    page.evaluate("kvbenchMaps.map.seek(0, 6); kvbenchMaps.map.choose(1)")
    violations = Axe().run(page).response["violations"]
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
