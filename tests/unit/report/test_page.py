"""The report shows the numbers in the files, is self-contained, and draws no conclusions of its own."""

import html
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from builders.page_text import cells, folded, part, parts, rows
from builders.pictures import SVG, write_picture
from builders.places import ROOT, SCRIPTS
from builders.report_inputs import DRAWN, ENVIRONMENT, report_inputs
from builders.scenarios import replayed, scenario
from builders.simulated_requests import Request

from kvbench.errors import UserError
from kvbench.figures import not_drawn
from kvbench.files import write_text
from kvbench.replay.table import table as replays_table
from kvbench.report.cells import number
from kvbench.report.html import caption, embed, figure
from kvbench.report.machine import unequal_slots
from kvbench.report.page import TEMPLATE, render
from kvbench.report.tables.speed import attribution_view, throughput_view


def test_engines_that_store_other_kv_heads_are_named(tmp_path):
    _, given = report_inputs(tmp_path)
    assert unequal_slots(given[4]) == []
    given[4][2].record["slot_bytes"] = 8192
    [told] = unequal_slots(given[4])
    other = given[4][0].record["slot_bytes"]
    assert told.endswith(f"in bytes a token: hf-sequential, hf-batch: {other:,}; vllm: 8,192.")
    assert told in render(*given)


def test_an_option_that_the_engine_changed_is_told(tmp_path):
    _, given = report_inputs(tmp_path)
    changed = {"enable_chunked_prefill": {"asked": False, "in_force": True}}
    given[4][2].record["settings"]["changed"] = changed
    page = " ".join(render(*given).split())
    assert "smollm2-135m, mixed, vllm: False was requested as enable_chunked_prefill, but True was in force." in page


def test_several_hosts_are_named_where_runs_come_from_them(tmp_path):
    _, given = report_inputs(tmp_path)
    assert "hosts (" not in part(render(*given), "environment")
    given[4][0].record["host"]["id"] = "0f0f0f0f"
    found = part(render(*given), "environment")
    assert "measured on 2 hosts (0f0f0f0f, a1b2c3d4)" in found
    assert {"0f0f0f0f", "a1b2c3d4"} <= cells(found)


def test_several_gpus_are_named_where_runs_took_turns_on_them(tmp_path):
    _, given = report_inputs(tmp_path)
    for place, run in enumerate(given[4]):
        run.record["host"]["gpu_ids"] = [f"{place % 2}b1b1b1b"]
    assert "measured on 2 GPUs of one host (0b1b1b1b; 1b1b1b1b)" in part(render(*given), "environment")


def test_the_page_says_which_libraries_served_the_requests(tmp_path):
    _, given = report_inputs(tmp_path)
    both = "the same requests, served by Hugging Face Transformers and by vLLM under one KV budget."
    assert both in " ".join(render(*given).split())
    given[4][:] = [run for run in given[4] if run.engine == "vllm"]
    page = " ".join(render(*given).split())
    assert ": requests served by vLLM under one KV budget." in page
    assert both not in page


@pytest.mark.parametrize("repeats", [1, 6])
def test_no_table_has_a_row_that_holds_nothing(tmp_path, repeats):
    _, given = report_inputs(tmp_path, repeats=repeats, requests=[Request(f"r{i}", 5 + i, 1) for i in range(3)])
    page = render(*given)
    assert not [row for row in rows(page) if len(row) > 1 and set(row[1:]) == {"–"}]
    assert any(line.startswith("No sample of the time per output token") for line in folded(page))


def test_every_number_comes_from_the_tables_with_absolute_values_beside_ratios(shown):
    frames, page = shown
    told = cells(page)
    for row in frames["ratios"].itertuples():
        assert f"{number(row.ratio)} [{number(row.ratio_ci95_low)}, {number(row.ratio_ci95_high)}]" in told
        for arm in ("numerator", "denominator"):
            low, middle, high = (
                number(getattr(row, f"{arm}_output_tokens_per_s_{part}"))
                for part in ("ci95_low", "median", "ci95_high")
            )
            assert f"{middle} [{low}, {high}]" in told
    batch = frames["kv_waste"].query("engine == 'hf-batch'").iloc[0]
    assert number(batch.padding_share_of_allocated * 100) in told


def test_claims_and_attribution_are_shown_with_their_reasons(shown):
    frames, page = shown
    told = cells(page)
    badges = re.findall(r'<span class="badge \w+">([^<]+)</span>', page.partition("<h4>")[2])
    assert set(frames["claims"]["verdict"]) == {"supported", "not supported", "not measurable here"} <= set(badges)
    factors = next(names for line, names in folded(page).items() if line.endswith(" factors not run"))
    assert "runtime and kernels (vllm-sequential / hf-sequential): vllm-sequential was not run" in factors
    ratio = frames["claims"].query("over_median.notna() and value.notna()").iloc[0]
    assert f"{number(ratio.engine_median)} / {number(ratio.over_median)}" in told
    total = frames["attribution"].query("part == 'total'").iloc[0]
    assert f"{number(total.ratio)} [{number(total.ratio_ci95_low)}, {number(total.ratio_ci95_high)}]" in told
    assert number(frames["workloads"].query("quantity == 'prompt'").mean_tokens.iloc[0]) == "2"


def test_a_workload_without_a_base_has_no_attribution_beside_one_that_has(shown):
    frames, _ = shown
    assert attribution_view(frames["attribution"].iloc[:0]).empty


def test_the_page_stands_alone_and_is_small(shown):
    _, page = shown
    assert len(re.findall(r'src="data:image/svg\+xml,', page)) == len(DRAWN)
    assert not re.search(r"""src=["'](?!data:)""", page)
    beside = re.compile(r"#[\w-]+|figures/[\w/.-]+\.(pdf|svg)|tables/\w+\.csv")
    assert [link for link in re.findall(r'href="([^"]*)"', page) if not beside.fullmatch(link)] == []
    assert "@import" not in page
    assert "url(" not in page.replace("url(#hatch)", "")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].split("; ")
    assert policy[:2] == ["default-src 'none'", "img-src data:"]
    assert len(page) < 3_000_000


def test_a_figure_without_a_place_follows_the_others(tmp_path):
    _, given = report_inputs(tmp_path)
    assert "further" not in parts(render(*given))
    new = given[3][0].with_name("largest_batch.svg")
    write_picture(new)
    page = render(*given[:3], [new, *given[3]], given[4])
    assert page.count("data:image/svg") == len(DRAWN) + 1
    found = parts(page)
    assert found.index("tokens") < found.index("further") < found.index("claims")
    assert caption("largest_batch").split(":")[0] in part(page, "further")


def test_the_plan_is_linked_where_there_is_one(tmp_path):
    _, given = report_inputs(tmp_path)
    assert 'href="capacity.html"' in render(*given, has_capacity=True)
    assert "capacity.html" not in render(*given)


def test_replays_are_shown_where_there_are_any(tmp_path):
    _, given = report_inputs(tmp_path)
    assert "replays" not in parts(render(*given))
    rows, picture = _replays(tmp_path)
    environment, text, tables, figures, runs = given
    page = render(environment, text, {**tables, "replays": rows}, [*figures, picture], runs)
    assert page.count("data:image/svg") == len(DRAWN) + 1
    shown = part(page, "replays")
    wanted = {number(value) for value in 100 * rows["live_share_of_region"]} | set(rows["policy"])
    assert wanted <= cells(shown)
    assert "n = 400 requests of mixed, all there at once; 1,030 slots" in shown


def test_without_a_run_there_are_only_replays_and_the_page_says_that_nothing_was_measured(tmp_path):
    rows, picture = _replays(tmp_path)
    page = render(ENVIRONMENT, "runs: []\n", {"replays": rows}, [picture], [])
    assert "Nothing was measured: <code>runs</code> is empty" in page
    assert page.count("data:image/svg") == 1
    assert set(rows["policy"]) <= cells(page)
    assert "A CPU &amp; more" in page
    assert parts(page) == ["answer", "how", "replays", "method", "environment", "reproduce", "cite"]
    assert not {"Parity gate", "Targets"} & set(re.findall("<h3>(.*?)</h3>", page))
    assert "capacity.html" in render(ENVIRONMENT, "", {}, [], [], has_capacity=True)


def _replays(folder):
    """The rows of replays.csv for a scenario, and a figure of it."""
    rows = replays_table([replayed(scenario("mine"), name="mine")])
    return rows, write_picture(folder / "figures/replays/mine/replay_waste.svg")


def test_a_figure_that_was_not_drawn_is_named_first(tmp_path):
    _, given = report_inputs(tmp_path)
    said = not_drawn.sentence(IndexError("a < b"), "logs/x.log")
    path = next(path for path in given[3] if path.stem == "roofline")
    write_text(path, SVG.replace("></svg>", f"><desc>{html.escape(not_drawn.mark(said))}</desc></svg>"))
    page = render(*given)
    assert (
        page.index("could not be drawn; the tables") < page.index('<h2 class="title">')
        if '<h2 class="title">' in page
        else -1
    )
    assert page.count(html.escape(said)) == 2  # in the list, and below the picture
    assert "smollm2-135m, mixed, roofline. " in page


def test_runs_that_are_missing_are_named_first(tmp_path):
    _, given = report_inputs(tmp_path)
    page = render(*given, missing=["m/vllm/w<b>/base", "m/hf-batch/w/base"])
    notice = page.partition('<div class="notice">')[2].partition("</div>")[0]
    assert "This report is of a part of the runs." in notice
    assert notice.index("<li>m/vllm/w&lt;b&gt;/base</li>") < notice.index("<li>m/hf-batch/w/base</li>")
    assert "of a part of the runs" not in render(*given)


def test_machine_settings_and_versions_are_shown_and_escaped(shown):
    _, page = shown
    assert "A CPU &amp; more" in page
    assert "2 × A GPU" in page
    assert "torch==2.13.0" in page
    assert "# &lt;as given&gt;" in page
    assert "snakemake --cores 1" in page
    assert "&#34;temperature&#34;: 0.0" in page


def test_the_gate_is_shown_apart_from_the_workloads(shown):
    _, page = shown
    gate = part(page, "tokens").partition("<h3>Parity gate</h3>")[2]
    assert {"parity", "vllm", "passed"} <= cells(gate)
    assert "smollm2-135m: parity" not in page


def test_few_repeats_show_medians_without_an_interval(tmp_path):
    _, given = report_inputs(tmp_path, repeats=2)
    told = cells(render(*given).partition("<h3>Benchmarks of kvbench itself</h3>")[0])
    assert not [cell for cell in told if re.fullmatch(r"[\d.,]+ \[.*\]", cell)]
    row = given[2]["ratios"].iloc[0]
    parts = [number(row[f"numerator_output_tokens_per_s_{part}"]) for part in ("median", "min", "max")]
    assert "{} ({} to {})".format(*parts) in told
    assert not {"above 1", "below 1", "includes 1"} & told
    assert "In\nbrackets" not in render(*given)


def test_upkeep_is_shown_where_it_was_timed(tmp_path):
    _, given = report_inputs(tmp_path)
    upkeep = given[2]["upkeep"]
    row = upkeep[upkeep["engine"] == "vllm"].iloc[0]
    page = render(*given)
    assert "Upkeep of block tables" in page
    quartiles = [number(1e3 * row[f"step_s_{part}"]) for part in ("median", "q1", "q3")]
    assert {"{} ({} to {})".format(*quartiles), number(100 * row["upkeep_share_of_step"])} <= cells(page)
    given[2]["upkeep"] = upkeep.iloc[:0]
    assert "Upkeep of block tables" not in render(*given)


def test_no_conclusion_is_written_in_the_template_or_the_captions():
    templates = SCRIPTS / "kvbench/report/templates"
    texts = [path.read_text() for path in (templates / TEMPLATE, *templates.glob("report/*.j2"))]
    assert len(texts) > 10
    texts += [path.read_text() for path in (ROOT / "captions").glob("*.rst")]
    for text in texts:
        assert not re.search(r"\b(faster|slower|better|worse|wins?|outperform\w*|superior|efficient)\b", text, re.I)


def test_captions_are_short():
    for path in (ROOT / "captions").glob("*.rst"):
        assert 1 <= len(path.read_text().strip().splitlines()) <= 4, path


def test_an_svg_is_embedded_as_text_that_reads_as_the_same_picture(tmp_path):
    path = tmp_path / "a.svg"
    title = "50 % of <KV> & 'more' \u2013 \"quoted\" #1"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">\n  <title>{html.escape(title)}</title>\n</svg>\n')
    kind, _, data = embed(path).partition(",")
    assert kind == "data:image/svg+xml"
    assert not set(data) & set("\"'<>#&\n")
    assert ElementTree.fromstring(unquote(data))[0].text == title


def test_a_pdf_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"a\.pdf: the report shows svg or png"):
        embed(tmp_path / "a.pdf")


@pytest.mark.parametrize(("name", "content"), [("a.svg", b""), ("a.svg", b"<svg><g>"), ("a.png", b"\x89PNG\r\n")])
def test_half_a_picture_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: not a whole picture; delete it and run again"):
        figure(tmp_path / name)


def test_targets_and_benchmarks_show_what_was_missed(shown) -> None:
    page = shown[1]
    wanted = part(page, "method").partition("<h3>Targets</h3>")[2].partition("<h3>")[0]
    row = next(line for line in wanted.split("<tr>") if "hf backend" in line or "--backend hf" in line)
    assert {"≥ 1.0", "0.951", "missed"} <= cells(row)
    assert {"= passed", "reached"} <= cells(wanted)
    [(line, names)] = folded(wanted).items()
    missing = shown[0]["targets"].query("verdict == 'not measured'")
    assert line == f"{len(missing)} targets not measured"
    assert [name.partition(": wanted")[0] for name in names] == list(missing["says"])
    beside = part(page, "method").partition("<h3>Benchmarks of kvbench itself</h3>")[2]
    assert {"hf-batch", "vllm bench", "48 / 48", "0.951 [0.940, 0.960]"} <= cells(beside)


@pytest.mark.parametrize("told", [True, False])
def test_energy_is_shown_where_it_is_known(shown, told: bool) -> None:
    table = shown[0]["throughput"].assign(label="x")
    if told:
        table = table.assign(energy_j_per_output_token_median=0.5, energy_j_per_request_median=12.5)
    view = throughput_view(table)
    assert ("energy (J/request)" in view) == told
    assert not told or set(view["energy (J/request)"]) == {"12.5"}
