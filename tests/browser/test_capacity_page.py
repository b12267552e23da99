"""The capacity page as a page: typing, links, bad values, no JavaScript, print, colours, phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from builders.capacity_pages import PLANS, STEP, page_data, write_page
from builders.plans import KNOWN, make_plan
from builders.refusals import refused
from builders.shown_plans import at_once, errors, ready
from playwright.sync_api import expect

from kvbench.capacity.plan import answer
from kvbench.report.calculator import script
from kvbench.report.cells import number

Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_page(tmp_path_factory.mktemp("capacity"))


def test_it_opens_with_the_first_plan_and_python_s_numbers(address: str, open_page: Opened) -> None:
    page = ready(open_page(address))
    found = answer("plain", PLANS["plain"], KNOWN, 0)
    assert at_once(page) == {one.policy: number(one.requests_at_once) for one in found.fits}
    own = page.locator("[data-part=fits] tbody").inner_text()
    static = page.locator("details.plan").first.locator("table").nth(1).locator("tbody").text_content()
    assert re.sub(r"\s", "", own) == re.sub(r"\s", "", static)
    cards = page.locator("[data-part=demands] tbody tr td:nth-child(6)").all_inner_texts()
    assert cards == [number(one.cards) for one in found.demands]
    assert page.locator("#preset").input_value() == "plain"
    assert page.locator("details.plan[open]").count() == 0


def test_what_is_typed_is_answered_in_a_worker(address: str, open_page: Opened) -> None:
    page = ready(open_page(address))
    assert len(page.workers) >= 1
    page.locator("#in-max_running").fill("20")
    assert at_once(ready(page))["paged"] == "20"
    assert page.locator("#preset").input_value() == ""
    page.locator("#in-card").select_option("NVIDIA H100 80 GB")
    assert page.locator("#in-memory_gib").input_value() == "79.64"
    page.locator("#in-memory_gib").fill("79.65")
    assert page.locator("#in-card").input_value() == "own"
    page.locator("#preset").select_option("windows")
    found = answer("windows", PLANS["windows"], KNOWN, 0)
    assert at_once(ready(page))["paged"] == number(found.fits[4].requests_at_once)
    assert "not replayed" in page.locator("[data-part=fits] tbody tr").first.inner_text()
    page.locator("#in-model").select_option("own")
    assert page.locator("fieldset.group").count() == 2
    assert at_once(ready(page))["paged"] == number(found.fits[4].requests_at_once), "own sizes begin with the model's"


def test_a_rate_and_a_step_time_need_no_new_replay(address: str, open_page: Opened) -> None:
    page = ready(open_page(address))
    page.locator("#in-per_token_s").fill("1e-3")
    page.locator("#in-requests_per_s").fill("300")
    assert page.locator("#calculator").get_attribute("aria-busy") == "false"
    step = {**STEP, "per_token_s": 1e-3}
    found = answer("x", make_plan(requests_per_s=300, step_time=step), KNOWN, 0)
    cards = page.locator("[data-part=demands] tbody tr td:nth-child(6)").all_inner_texts()
    assert cards == [number(one.cards) for one in found.demands]


def test_without_workers_the_page_replays_itself(address: str, open_page: Opened) -> None:
    page = open_page("about:blank")
    page.add_init_script("window.Worker = class { constructor() { throw new Error('none'); } };")
    page.goto(address)
    found = answer("plain", PLANS["plain"], KNOWN, 0)
    assert at_once(ready(page))["oracle"] == number(found.fits[2].requests_at_once)


def test_a_link_carries_the_settings_and_the_history_goes_back(address: str, open_page: Opened) -> None:
    page = ready(open_page(address))
    page.locator("#in-model").select_option("own")
    page.locator("[data-part=add-group]").click()
    page.locator("fieldset.group").nth(1).locator("[data-size=window]").fill("64")
    page.locator("fieldset.group").nth(1).locator("[data-size=kv_heads]").fill("32")
    page.wait_for_url(re.compile("sliding%3A32%3A32%3A128%3A64"))
    for text in ("3", "33"):
        page.locator("#in-max_running").fill(text)
        page.wait_for_url(re.compile(f"max_running={text}&"))
    linked = ready(open_page(page.url))
    assert at_once(linked) == at_once(ready(page))
    assert linked.locator("#in-max_running").input_value() == "33"
    assert linked.locator("fieldset.group").nth(1).locator("[data-size=window]").input_value() == "64"
    page.go_back()
    expect(page.locator("#in-max_running")).to_have_value("40")
    assert page.locator("fieldset.group").count() == 2
    page.go_forward()
    expect(page.locator("#in-max_running")).to_have_value("33")


def test_the_copied_link_is_that_of_what_is_typed(address: str, open_page: Opened) -> None:
    page = ready(open_page(address))
    clipboard = "{ value: { writeText: async (text) => { window.copied = text; } } }"
    page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {clipboard})")
    page.locator("#in-memory_gib").fill("40")
    page.locator("[data-part=copy]").click()
    expect(page.locator("[data-part=copied]")).to_have_text("Copied.")
    linked = ready(open_page(page.evaluate("copied")))
    assert linked.locator("#in-memory_gib").input_value() == "40"


BAD = (
    ("block_size", "0", "0 is no valid value; write a whole number from 1 to 1,024"),
    ("max_running", "many", "many is no valid value; write a whole number from 1 to 100,000"),
    ("requests", "", "empty; write a whole number from 1 to 100,000"),
    ("memory_gib", "-3", "-3 is no valid value; write a number above 0 up to 16,384"),
    ("memory_fraction", "1.2", "1.2 is no valid value; write a number from 0 to 1"),
    ("activation_reserve", "0.95", "leaves nothing of the share of 0.9; lower it"),
    ("requests_per_s", "-1", "-1 is no valid value; write a number from 0.0001 to 1,000,000"),
    ("per_token_s", "2e9", "2e9 is no valid value; write a number from 0 to 3,600"),
)


def test_a_bad_value_gets_a_line_beside_it(address: str, open_page: Opened) -> None:
    page = ready(open_page(address))
    for field, text, line in BAD:
        before = page.locator(f"#in-{field}").input_value()
        page.locator(f"#in-{field}").fill(text)
        assert errors(page) == {field: line}
        assert page.locator(f"#in-{field}").get_attribute("aria-invalid") == "true"
        assert "from before" in page.locator("[data-part=status]").inner_text()
        page.locator(f"#in-{field}").fill(before)
        assert errors(page) == {}
    for name in ("constant_s", "per_sequence_s", "per_token_s", "prefill_s"):
        page.locator(f"#in-{name}").fill("")
    assert errors(page) == {"requests_per_s": "a rate needs the time of a step; write it below, or leave this empty"}


def test_bad_sizes_of_layers_are_told(address: str, open_page: Opened) -> None:
    page = ready(open_page(f"{address}#model=own&parameters=1000&groups=full:2:3:4,sliding:2:3:4:x"))
    assert errors(page) == {"groups": "window: x is no valid value; write a whole number from 2 to 10,000,000"}
    page.locator("fieldset.group").nth(1).locator("[data-size=window]").fill("64")
    page.locator("fieldset.group").nth(1).locator("[data-size=head_dim]").fill("5")
    assert "cache tokens of different sizes (24, 30 elements)" in errors(page)["groups"]
    page.locator("fieldset.group").nth(1).locator("select").select_option("full")
    assert errors(page) == {"groups": "two groups have the same kind and window; add up their layers in one"}
    page.locator("[data-remove]").last.click()
    assert errors(page) == {}


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ({"model": "llama-2-70b"}, "cards_per_model", r"they need 2 cards: set it to 2"),
        ({"max_length": 8192}, "max_length", r"8,192 is more than the 4,096 positions of Llama-2 7B"),
        ({"workload": "sharegpt", "max_length": 256}, "max_length", r"less than the longest request of sharegpt \(\d"),
        ({"memory_gib": 14.8}, "cards_per_model", r"leave 0\.03 GiB for KV cache, 58 slots"),
        ({"requests": 100}, "requests", r"up to 40 run at once under .*; raise it to 320 or more"),
        ({"model": "nothing"}, "model", "nothing is no valid value; choose one of the list"),
    ],
)
def test_what_python_refuses_is_refused_at_the_same_place(
    address: str, open_page: Opened, given: dict[str, Any], field: str, says: str
) -> None:
    settings = "&".join(f"{name}={value}" for name, value in given.items())
    page = open_page(f"{address}#{settings}")
    page.locator("[data-error]:not([hidden])").wait_for()
    assert list(errors(page)) == [field]
    assert re.search(says, errors(page)[field])
    card = {**PLANS["plain"]["card"], "memory_gib": given.get("memory_gib", 80)}
    plan = make_plan(card=card, **{name: value for name, value in given.items() if name != "memory_gib"})
    with refused(rf"capacity\.x\.{field}: "):
        answer("x", plan, KNOWN, 0)


def test_without_javascript_the_plans_are_there(address: str, browser: Any) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    assert page.locator("#calculator").is_hidden()
    assert page.locator("details.plan[open] table").first.is_visible()
    assert page.locator("details.plan").count() == len(PLANS)
    page.close()


def test_paper_has_the_plans_unfolded(address: str, open_page: Opened) -> None:
    page = ready(open_page(address))
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.plan[open]").count() == len(PLANS)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.plan[open]").count() == 0


def test_html_in_data_stays_text(tmp_path: Path, open_page: Opened) -> None:
    name = "</script><b onclick=1>bold</b>"
    page = ready(open_page(write_page(tmp_path, {name: make_plan()})))
    assert page.locator("#preset").input_value() == name
    assert page.locator("#calculator b[onclick]").count() == 0
    assert "<" not in script(page_data({name: make_plan()}))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(address: str, open_page: Opened, scheme: str, width: int) -> None:
    page = ready(open_page(address, width=width, color_scheme=scheme))
    page.locator("#in-model").select_option("own")
    page.locator("#in-workload").select_option("file")
    page.locator("#in-pasted").fill("2,3\nx,y")
    page.locator("[data-error]:not([hidden])").wait_for()
    page.locator("#in-workload").select_option("mixed")
    ready(page)
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in violations if v["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
