"""Keys, links, chips, the tour and the choice of sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from builders.block_map_pages import write_page
from builders.block_maps import Simulated
from builders.shown_maps import moment, shown

Opened = Callable[..., Any]


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
