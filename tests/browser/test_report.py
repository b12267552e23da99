"""The report in a browser: quiet, without requests, accessible, in shape on a phone, in the dark and on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.block_maps import Simulated
from builders.page_text import parts
from builders.report_inputs import report_inputs
from builders.runs import ALL_ENGINES
from builders.shown_maps import shown

from kvbench.report.page import render

Opened = Callable[..., Any]
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def address(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of all engines, with the map of its workload and of another one."""
    root = tmp_path_factory.mktemp("report")
    _, given = report_inputs(root, ALL_ENGINES)
    maps = [(given[4][0].model, name, simulated.encoded()) for name in ("another", "mixed")]
    path = root / "report.html"
    path.write_text(render(*given, maps=maps), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(address: str, open_page: Opened, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = shown(open_page(address, width=width, color_scheme=scheme), "map-1")
    page.evaluate("document.querySelectorAll('details:not(.map)').forEach(one => one.open = true)")
    violations = axe.Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in violations if v["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_all_pictures_are_shown(address: str, open_page: Opened) -> None:
    page = open_page(address)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    widths = page.evaluate("Promise.all([...document.images].map(one => one.decode().then(() => one.naturalWidth)))")
    assert widths
    assert min(widths) > 0


def test_the_map_of_the_first_screens_workload_is_first_and_works(address: str, open_page: Opened) -> None:
    page = shown(open_page(address), "map-1")
    assert page.locator("[data-block-map]").first.get_attribute("data-name") == "smollm2-135m/mixed"
    page.locator("#map-1 [data-part=end]").click()
    assert page.evaluate("kvbenchMaps['map-1'].moment().step") > 10
    assert page.locator("#map-2 [data-part=body]").get_attribute("hidden") is not None
    page.locator("details.map > summary").click()
    page.wait_for_selector("#map-2 [data-part=grid]")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_links_of_the_contents_lead_to_every_part(address: str, open_page: Opened, width: int) -> None:
    page = open_page(address, width=width, reduced_motion="reduce")
    links = page.locator("nav.contents a")
    targets = [link.get_attribute("href")[1:] for link in links.all()]
    assert targets == parts(page.content())
    for link, target in zip(links.all(), targets, strict=True):
        link.click()
        top = page.evaluate(f"document.getElementById('{target}').getBoundingClientRect().top")
        bottom = page.evaluate("innerHeight + scrollY >= document.documentElement.scrollHeight - 2")
        assert -2 <= top <= 60 or bottom, target
        assert link.is_visible()  # the contents stay in view


def test_a_link_to_evidence_opens_what_is_folded_above_it(address: str, open_page: Opened) -> None:
    page = open_page(address)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
    page.locator("#answer-factor .evidence a").click()
    page.locator("#speed-1[open]").wait_for()
    assert page.locator("#factors-1").is_visible()
    assert page.locator("#memory-1").get_attribute("open") is None


def test_everything_can_be_reached_by_keyboard(address: str, open_page: Opened) -> None:
    page = open_page(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('nav') !== null")
    page.locator("#memory-1 > summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#memory-1").get_attribute("open") is None
    boxes = "[...document.querySelectorAll('.wide, .sheet')].every(box => box.tabIndex === 0)"
    assert page.evaluate(boxes)


def test_figures_are_on_white_in_the_dark(address: str, open_page: Opened) -> None:
    page = open_page(address, color_scheme="dark")
    colour = "getComputedStyle(document.querySelector('{}')).backgroundColor"
    assert page.evaluate(colour.format(".sheet")) == "rgb(255, 255, 255)"
    assert page.evaluate(colour.format("body")) == "rgb(21, 23, 28)"


def test_paper_shows_what_is_folded_and_nothing_sticky(address: str, open_page: Opened) -> None:
    page = open_page(address, color_scheme="dark")
    closed = page.locator("details:not([open])").count()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open], .raw, .raw *, .map)").count() == 0
    page.set_viewport_size({"width": 720, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    assert page.locator("nav.contents").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed


def test_without_scripts_all_is_there(address: str, open_page: Opened) -> None:
    page = open_page(address, java_script_enabled=False)
    page.locator("#memory-1 > summary").click()
    assert not page.locator("#at-once-1").is_visible()
    page.locator("#memory-1 > summary").click()
    assert page.locator("#at-once-1").is_visible()
    assert page.locator("noscript").first.is_visible()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["m" * 100, MARKUP], ids=["long", "markup"])
def test_any_model_name_keeps_the_page_in_shape(tmp_path: Path, open_page: Opened, name: str, width: int) -> None:
    _, given = report_inputs(tmp_path)
    tables = {key: table.assign(model=name) if "model" in table else table for key, table in given[2].items()}
    for run in given[4]:
        run.record["model"] = name
    maps = [(name, MARKUP, "no document")]
    (tmp_path / "report.html").write_text(render(*given[:2], tables, *given[3:], maps=maps), encoding="utf-8")
    page = shown(open_page((tmp_path / "report.html").as_uri(), width=width), "map-1")
    assert "could not be read" in page.locator("[data-part=message]").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("summary h3").first.inner_text() == f"{name}: mixed"
    assert page.locator("img[src=x]").count() == 0
    assert re.search(re.escape(name), page.locator(".lead").inner_text())
