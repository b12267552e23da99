"""Every chart stands beside a figure, is whole in itself, and makes the report stale when its code changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from builders.charts import charts_of, document_of, objects, unpacked

from kvbench.config import digests
from kvbench.figures.registry import FIGURES
from kvbench.report.charts import bundle, registry
from kvbench.report.charts.bundle import library
from kvbench.report.charts.chart import document, embedded, pack
from kvbench.report.charts.of_report import charts
from kvbench.report.charts.registry import CHARTS, Entry
from kvbench.report.charts.source import Source
from kvbench.report.html import place

OF_RUNS = [entry for entry in CHARTS if entry.figure != "batched_requests"]


def test_every_chart_stands_beside_a_figure() -> None:
    assert {entry.figure for entry in CHARTS} <= {entry.name for entry in FIGURES}
    assert len({(entry.figure, entry.title) for entry in CHARTS}) == len(CHARTS)


def test_the_report_is_made_again_when_the_code_of_a_chart_changes() -> None:
    closure = digests._closure([digests.SCRIPTS / "make_report.py"])
    assert set(Path(registry.__file__).parent.glob("*.py")) <= closure


@pytest.mark.parametrize("entry", OF_RUNS, ids=lambda entry: entry.name)
def test_a_chart_names_no_address_and_what_its_controls_set(source: Source, entry: Entry) -> None:
    found = document(entry.build(source))
    assert {value for part in objects(found["spec"]) for value in part.values() if "://" in str(value)[:12]} == {
        found["spec"]["$schema"]
    }
    assert all("url" not in part and "href" not in part for part in objects(found["spec"]))
    params = {one["name"]: one["value"] for part in objects(found["spec"]) for one in part.get("params", ())}
    assert params["hidden"] == []
    assert ("window" in params) is found["zooms"]
    for choice in found["choices"]:
        assert params[choice["param"]] == choice["options"][0]
    assert all(re.fullmatch("#[0-9A-Fa-f]{6}", key["colour"]) for key in found["legend"])


def test_charts_are_by_the_place_of_their_figure(results: Path) -> None:
    found = charts_of(results)
    assert list(found) == [
        place(results / f"figures/smollm2-135m/mixed/{name}.svg") for name in dict.fromkeys(e.figure for e in OF_RUNS)
    ]
    assert [one.title for one in found["figures/smollm2-135m/mixed/memory"]] == ["Slots over time", "Requests at once"]
    assert found == charts_of(results)  # the same bytes
    assert {len(document_of(one)) for beside in found.values() for one in beside} == {4}


def test_a_chart_that_fails_costs_no_report(
    source: Source, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(source: Source) -> None:
        raise KeyError("a column")

    entries = (Entry("broken", "latency", "Broken", fail), *OF_RUNS)
    monkeypatch.setattr("kvbench.report.charts.of_report.CHARTS", entries)
    path = Path("figures/smollm2-135m/mixed/latency.svg")
    [found] = charts(source.tables, [path], source.all_runs, source.files).values()
    assert [one.title for one in found] == ["Distribution"]
    assert "chart broken of smollm2-135m/mixed: not built" in caplog.text


def test_what_a_page_embeds_has_no_markup_and_no_time() -> None:
    text = '{"name": "</script><b>"}'
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", pack(text))
    assert (pack(text), unpacked(pack(text))) == (pack(text), text)
    with pytest.raises(ValueError, match="JSON"):
        embedded("x", {"value": float("nan")})


def test_the_library_brings_an_interpreter_in_place_of_eval() -> None:
    code = unpacked(library())
    assert "window.vegaEmbed=" in code
    assert "expressionInterpreter" in code
    assert "</script" not in code.lower()


def test_the_library_is_read_from_where_the_plan_flavour_keeps_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bundle, "KEPT", tmp_path / "vega.js")
    (tmp_path / "vega.js").write_text("window.vegaEmbed=1", encoding="utf-8")
    assert unpacked(library()) == "window.vegaEmbed=1"
