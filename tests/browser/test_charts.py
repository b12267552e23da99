"""Interactive charts in a browser: loaded on demand, quiet, equal to the tables; elsewhere the figure stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.changed_runs import changed_record
from builders.charts import marks, page_with_charts
from builders.pipeline import write_results
from builders.simulated_requests import make_requests

from kvbench.figures.style import look
from kvbench.files import read_table

Opened = Callable[..., Any]
MARKUP = "vllm<img src=x onerror=alert(1)>'+\"{{x}}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("charts")
    write_results(root, make_requests(12), repeats=6)
    (root / "report.html").write_text(page_with_charts(root), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def address(root: Path) -> str:
    return (root / "report.html").as_uri()


def number_of(page: Any, figure: str) -> int:
    """The place of a figure among those with charts."""
    labels = page.evaluate("kvbenchCharts.map((one) => one.sheet.getAttribute('aria-label'))")
    return labels.index(f"Figure: {figure}")


def opened(page: Any, figure: str, title: str = "Interactive") -> tuple[Any, int]:
    """The chart with this title beside a figure, after a click on its button."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    number = number_of(page, figure)
    box = page.locator("figure[data-charts]").nth(number)
    box.get_by_role("button", name=title, exact=True).click()
    box.locator(".chart-legend").wait_for()
    return box, number


def test_nothing_is_loaded_before_a_chart_is_opened(address: str, open_page: Opened) -> None:
    page = open_page(address)
    assert page.evaluate("typeof vegaEmbed") == "undefined"
    assert page.locator(".chart:visible, .chart svg").count() == 0
    assert page.locator("figure[data-charts] .sheet[hidden]").count() == 0
    box, _ = opened(page, "throughput")
    assert page.evaluate("typeof vegaEmbed") == "function"
    assert box.locator(".sheet").is_hidden()
    box.get_by_role("button", name="Figure", exact=True).click()
    assert box.locator(".sheet").is_visible()
    assert box.locator(".chart").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_chart_opens_and_axe_finds_nothing_serious(
    address: str, open_page: Opened, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = open_page(address, width=width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    page.evaluate("Promise.all(kvbenchCharts.map((one) => one.show(1)))")
    assert page.locator(".chart-box svg").count() == page.evaluate("kvbenchCharts.length") == 7
    page.evaluate("kvbenchCharts[1].show(2)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        "[...document.querySelectorAll('.chart-box')].every((one) => one.scrollWidth <= one.clientWidth)"
    )
    violations = axe.Axe().run(page, context={"include": [["figure[data-charts]"]]}).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in violations if v["impact"] in ("serious", "critical")] == []


def test_bars_are_the_medians_of_the_table_in_the_figures_colours(address: str, root: Path, open_page: Opened) -> None:
    page = open_page(address)
    _, number = opened(page, "throughput")
    table = read_table(root / "tables/throughput.csv")
    found = {bar["name"]: bar for bar in marks(page, number, "rect")}
    for engine in ("hf-batch", "vllm-reserved", "vllm"):
        rows = table[(table["engine"] == engine) & (table["point"] == "base") & (table["scope"] == "all")]
        median = float(rows["output_tokens_per_s_median"].iloc[0])
        assert found[engine]["median"] == pytest.approx(median, rel=1e-5)
        wide = page.evaluate(f"kvbenchCharts[{number}].view.scale('x')({median})")
        assert found[engine]["width"] == pytest.approx(wide, abs=0.1)
        assert found[engine]["fill"] == look(engine).colour


def test_points_of_a_sweep_stand_where_the_table_says(address: str, root: Path, open_page: Opened) -> None:
    page = open_page(address)
    _, number = opened(page, "block size")
    table = read_table(root / "tables/sweeps.csv")
    table = table[table["sweep"] == "block_size"]
    drawn = [one for one in marks(page, number, "symbol") if "Point" in one]
    wanted = sorted(100 * table["live_share_of_allocated_median"])
    assert sorted(one["y"] for one in drawn) == pytest.approx(wanted, rel=1e-5)
    for one in drawn:
        assert one["left"] == pytest.approx(page.evaluate(f"kvbenchCharts[{number}].view.scale('x')({one['x']})"))


def test_a_click_on_the_legend_hides_an_engine(address: str, open_page: Opened) -> None:
    page = open_page(address)
    box, number = opened(page, "throughput")
    before = {bar["engine"] for bar in marks(page, number, "rect")}
    own = box.get_by_role("button", name="vllm", exact=True)
    own.focus()
    page.keyboard.press("Enter")
    assert own.get_attribute("aria-pressed") == "false"
    assert {bar["engine"] for bar in marks(page, number, "rect")} == before - {"vllm"}
    page.keyboard.press("Enter")
    assert {bar["engine"] for bar in marks(page, number, "rect")} == before


def test_all_engines_may_be_hidden(address: str, open_page: Opened) -> None:
    page = open_page(address)
    box, number = opened(page, "latency", "Distribution")
    for one in box.locator(".chart-legend button").all():
        one.click()
    assert marks(page, number, "symbol") == []


def test_a_choice_shows_another_quantity_and_its_name(address: str, open_page: Opened) -> None:
    page = open_page(address)
    box, number = opened(page, "latency", "Distribution")
    box.locator("select").select_option("End to end")
    assert {one["metric"] for one in marks(page, number, "symbol")} == {"End to end"}
    assert box.locator(".chart-box").get_by_text("End to end", exact=True).count() == 1


def test_the_axis_zooms_by_keyboard_and_wheel(address: str, open_page: Opened) -> None:
    page = open_page(address)
    box, number = opened(page, "memory", "Requests at once")
    domain = f"kvbenchCharts[{number}].view.scale('x').domain()"
    first, last = page.evaluate(domain)
    box.get_by_role("button", name="Zoom in").focus()
    page.keyboard.press("Enter")
    low, high = page.evaluate(domain)
    assert (low - first, last - high) == pytest.approx(((last - first) / 4, (last - first) / 4))
    box.get_by_role("button", name="Earlier part").click()
    box.get_by_role("button", name="Earlier part").click()
    box.get_by_role("button", name="Earlier part").click()
    assert page.evaluate(domain)[0] == pytest.approx(first)
    box.get_by_role("button", name="Show all").click()
    assert page.evaluate(domain) == [first, last]
    box.locator(".chart-box svg").hover()
    page.mouse.wheel(0, -100)
    assert page.evaluate(domain) == [first, last]  # the page scrolls
    box.locator(".chart-box svg").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    low, high = page.evaluate(domain)
    assert high - low == pytest.approx(0.8 * (last - first))


def test_a_change_of_colours_keeps_what_a_reader_has_set(address: str, open_page: Opened) -> None:
    page = open_page(address, color_scheme="light")
    box, number = opened(page, "throughput")
    box.get_by_role("button", name="hf-batch", exact=True).click()
    light = box.locator(".chart-box text").first.get_attribute("fill")
    page.emulate_media(color_scheme="dark")
    box.locator(f".chart-box text:not([fill='{light}'])").first.wait_for()
    box.locator(".chart-legend").wait_for()
    assert "hf-batch" not in {bar["engine"] for bar in marks(page, number, "rect")}
    assert box.get_by_role("button", name="hf-batch", exact=True).get_attribute("aria-pressed") == "false"


def test_paper_shows_the_figure(address: str, open_page: Opened) -> None:
    page = open_page(address)
    box, _ = opened(page, "throughput")
    page.emulate_media(media="print")
    assert box.locator(".sheet").is_visible()
    assert page.locator(".chart:visible, .chart-ways:visible").count() == 0


def test_without_scripts_figures_are_there_alone(address: str, open_page: Opened) -> None:
    page = open_page(address, java_script_enabled=False)
    assert page.locator("figure[data-charts] .sheet").first.is_visible()
    assert page.locator(".chart, .chart-ways").count() == 0


def test_a_chart_that_cannot_be_read_leaves_the_figure(tmp_path: Path, root: Path, open_page: Opened) -> None:
    text = (root / "report.html").read_text(encoding="utf-8")
    before, _, after = text.partition('data-chart="Distribution">')
    path = tmp_path / "report.html"
    path.write_text(f'{before}data-chart="Distribution">AAAA{after[after.index("<") :]}', encoding="utf-8")
    page = open_page(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    box = page.locator("figure[data-charts]").nth(number_of(page, "latency"))
    box.get_by_role("button", name="Distribution").click()
    box.get_by_text("The chart could not be drawn").wait_for()
    assert box.locator(".sheet").is_visible()


def test_a_name_with_markup_stays_text(tmp_path: Path, open_page: Opened) -> None:
    write_results(tmp_path, make_requests(4), engines=("hf-batch", "vllm"), repeats=2)
    for path in tmp_path.glob("runs/*/vllm/*/*/run.json"):
        with changed_record(path) as record:
            record["engine"] = MARKUP
    for path in (tmp_path / "tables").glob("*.csv"):
        path.write_text(read_table(path).replace("vllm", MARKUP).to_csv(index=False))
    (tmp_path / "report.html").write_text(page_with_charts(tmp_path), encoding="utf-8")
    page = open_page((tmp_path / "report.html").as_uri())
    box, number = opened(page, "throughput")
    assert MARKUP in box.locator(".chart-legend").inner_text()
    bar = next(one for one in marks(page, number, "rect") if one["engine"] == MARKUP)
    assert bar["name"] == MARKUP
    box.locator(".chart-box .mark-rect path").last.hover()
    tip = page.locator("#chart-tip.visible")
    tip.wait_for()
    assert MARKUP in tip.inner_text()
    opened(page, "memory", "Slots over time")
    assert page.locator("img[src=x]").count() == 0
