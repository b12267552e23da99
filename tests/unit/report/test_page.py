"""The report shows the numbers in the files, is self-contained, and draws no conclusions of its own."""

import html
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.bandwidth import bandwidth
from builders.pictures import SVG, write_picture
from builders.places import CLAIMS, ROOT, SCRIPTS, TARGETS
from builders.runs import write_margins, write_run, write_runs
from builders.scenarios import replayed, scenario
from builders.simulated_requests import Request, make_requests
from builders.tables import read_back
from builders.workloads import workload

from kvbench.analysis import claims, parity
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import of_runs, repeats, sweeps, workloads
from kvbench.benchmarks import table as benchmarks
from kvbench.benchmarks import targets
from kvbench.errors import UserError
from kvbench.figures import not_drawn
from kvbench.files import write_csv, write_json, write_parquet, write_text
from kvbench.replay.table import table as replays_table
from kvbench.report.cells import number, to_html
from kvbench.report.html import caption, embed
from kvbench.report.page import PLACED, TEMPLATE, read_inputs, render, unequal_slots
from kvbench.report.tables.speed import attribution_view, throughput_view

ENVIRONMENT = {
    "device": "cpu",
    "cpu": {"model": "A CPU & more", "cpus": 4, "cpus_usable": 2, "instruction_sets": ["avx2"]},
    "memory_total_bytes": 8 << 30,
    "gpus": [{"name": "A GPU"}, {"name": "A GPU"}],
    "packages": {"torch": {"version": "2.13.0", "file": "x"}, "vllm": None},
}

PEER = {
    "kind": "peer-hf",
    "ours": "hf-batch",
    "other": "vllm bench",
    "device": "cpu",
    "passes": 7,
    "ours_output_tokens": 48,
    "other_output_tokens": 48,
    "ours_output_tokens_per_s": 31.5,
    "other_output_tokens_per_s": 33.2,
    "ratio": 0.951,
    "ratio_ci95_low": 0.94,
    "ratio_ci95_high": 0.96,
}


def _workload(root):
    path = root / "workloads/smollm2-135m/mixed.parquet"
    write_parquet(path, workload([[1, 2, 3], [4]], [5, 7]))
    return path


def _inputs(root: Path, **given):
    paths = write_runs(root / "runs", ("hf-sequential", "hf-batch", "vllm"), **given)
    requests = make_requests(4)
    gate = [
        write_run(root / "runs", e, "parity", requests=requests, sequential=4, repeats=1) for e in ("hf-batch", "vllm")
    ]
    write_margins(gate[0], requests, {})
    runs = load_runs(paths)
    frames = {
        **of_runs.tables(runs, bandwidth(), 0),
        "claims": claims.table(claims.read_claims(CLAIMS), read_back(root / "repeats.csv", repeats.table(runs)), 0),
        "sweeps": pd.DataFrame(columns=list(sweeps.COLUMNS)),
        "workloads": workloads.table([_workload(root)]),
        "parity": parity.table(load_runs([*paths, *gate])),
    }
    write_json(root / "peer.json", PEER)
    peer = {"kind": "peer-hf", "model": "smollm2-135m", "workload": "mixed"}
    frames["benchmarks"] = benchmarks.table({"peer": peer}, [root / "peer.json"])
    held_to = targets.read_targets(TARGETS)
    frames["targets"] = targets.table(held_to, frames, {"mixed": "mixed"})
    for name, frame in frames.items():
        write_csv(root / f"{name}.csv", frame)
    figures = [write_picture(root / f"figures/smollm2-135m/mixed/{name}.svg") for name in PLACED]
    write_json(root / "environment.json", ENVIRONMENT)
    (root / "config.yaml").write_text("seed: 0  # <as given>\n")
    tables = [root / f"{name}.csv" for name in frames]
    given = read_inputs(root / "environment.json", root / "config.yaml", tables, figures, paths)
    return given[2], given


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    frames, given = _inputs(tmp_path_factory.mktemp("report"))
    return frames, render(*given)


def test_engines_that_store_other_kv_heads_are_named(tmp_path):
    _, given = _inputs(tmp_path)
    assert unequal_slots(given[4]) == []
    given[4][2].record["slot_bytes"] = 8192
    [told] = unequal_slots(given[4])
    other = given[4][0].record["slot_bytes"]
    assert told.endswith(f"in bytes a token: hf-sequential, hf-batch: {other:,}; vllm: 8,192.")
    assert told in render(*given)


def test_an_option_that_the_engine_changed_is_told(tmp_path):
    _, given = _inputs(tmp_path)
    changed = {"enable_chunked_prefill": {"asked": False, "in_force": True}}
    given[4][2].record["settings"]["changed"] = changed
    page = " ".join(render(*given).split())
    assert "smollm2-135m, mixed, vllm: False was requested as enable_chunked_prefill, but True was in force." in page


def _cells(page):
    return set(re.findall(r"<td[^>]*>(.*?)</td>", page))


def _folded(page):
    """Return the names in each folded list, by its summary line."""
    found = re.findall(r"<details><summary>([^<]*)</summary><ul>(.*?)</ul>", page, flags=re.S)
    return {html.unescape(line): re.findall(r"<li>(.*?)</li>", html.unescape(names)) for line, names in found}


def _rows(page):
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page) if "<td" in row]


def test_claims_that_one_reason_keeps_from_a_verdict_are_one_line(tmp_path):
    _, given = _inputs(tmp_path, repeats=1)
    page = render(*given)
    part = page.partition("<h3>Claims</h3>")[2].partition("<h2>")[0]
    claimed = given[2]["claims"]
    counts = claimed["reason"].value_counts()
    assert counts["n = 1; a verdict needs 6 repeats"] > 10
    assert "<table>" not in part
    lines = {f"{n} claims not measurable here: {reason}" for reason, n in counts.items() if n > 1}
    alone = f"{(counts == 1).sum()} claims not measurable here: each for a reason of its own"
    assert set(_folded(part)) == lines | {alone}
    assert {name.rpartition("; ")[2] for name in _folded(part)[alone]} == set(counts.index[counts == 1])
    names = [name.partition(":")[0] for names in _folded(part).values() for name in names]
    assert sorted(names) == sorted(claimed["id"])
    assert f"without an interval: {number(claimed['value'].dropna().iloc[0])}" in part


def test_a_claim_with_an_interval_on_both_sides_of_its_threshold_keeps_its_row(shown):
    frames, page = shown
    both = frames["claims"].query("verdict == 'not measurable here' and value_ci95_low.notna()")
    assert len(both)
    cells = _cells(page.partition("<h3>Claims</h3>")[2].partition("<h2>")[0])
    assert set(both["reason"]) <= cells


@pytest.mark.parametrize("repeats", [1, 6])
def test_no_table_has_a_row_that_holds_nothing(tmp_path, repeats):
    _, given = _inputs(tmp_path, repeats=repeats, requests=[Request(f"r{i}", 5 + i, 1) for i in range(3)])
    page = render(*given)
    assert not [row for row in _rows(page) if len(row) > 1 and set(row[1:]) == {"–"}]
    assert any(line.startswith("No sample of the time per output token") for line in _folded(page))


def test_every_number_comes_from_the_tables_with_absolute_values_beside_ratios(shown):
    frames, page = shown
    cells = _cells(page)
    for row in frames["ratios"].itertuples():
        assert f"{number(row.ratio)} [{number(row.ratio_ci95_low)}, {number(row.ratio_ci95_high)}]" in cells
        for arm in ("numerator", "denominator"):
            low, middle, high = (
                number(getattr(row, f"{arm}_output_tokens_per_s_{part}"))
                for part in ("ci95_low", "median", "ci95_high")
            )
            assert f"{middle} [{low}, {high}]" in cells
    batch = frames["kv_waste"].query("engine == 'hf-batch'").iloc[0]
    assert number(batch.padding_share_of_allocated * 100) in cells


def test_claims_and_attribution_are_shown_with_their_reasons(shown):
    frames, page = shown
    cells = _cells(page)
    assert {"supported", "not supported", "not measurable here"} <= cells
    assert set(frames["claims"]["verdict"]) <= cells
    factors = next(names for line, names in _folded(page).items() if line.endswith(" factors not run"))
    assert "runtime and kernels (vllm-sequential / hf-sequential): vllm-sequential was not run" in factors
    ratio = frames["claims"].query("over_median.notna() and value.notna()").iloc[0]
    assert f"{number(ratio.engine_median)} / {number(ratio.over_median)}" in cells
    total = frames["attribution"].query("part == 'total'").iloc[0]
    assert f"{number(total.ratio)} [{number(total.ratio_ci95_low)}, {number(total.ratio_ci95_high)}]" in cells
    assert number(frames["workloads"].query("quantity == 'prompt'").mean_tokens.iloc[0]) == "2"


def test_a_workload_without_a_base_has_no_attribution_beside_one_that_has(shown):
    frames, _ = shown
    assert attribution_view(frames["attribution"].iloc[:0]).empty


def test_the_page_stands_alone_and_is_small(shown):
    _, page = shown
    assert len(re.findall(r'src="data:image/svg\+xml;base64,', page)) == len(PLACED)
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert "<script" not in page
    assert len(page) < 3_000_000


def test_a_figure_without_a_place_follows_the_others(tmp_path):
    _, given = _inputs(tmp_path)
    assert "Further figures" not in render(*given)
    new = given[3][0].with_name("largest_batch.svg")
    write_picture(new)
    page = render(*given[:3], [new, *given[3]], given[4])
    assert page.count("data:image/svg") == len(PLACED) + 1
    assert page.index("<h3>Parity</h3>") < page.index("<h3>Further figures</h3>") < page.index("<h3>Claims</h3>")
    assert caption("largest_batch").split(":")[0] in page[page.index("<h3>Further figures</h3>") :]


def test_the_plan_is_linked_where_there_is_one(tmp_path):
    _, given = _inputs(tmp_path)
    assert 'href="capacity.html"' in render(*given, has_capacity=True)
    assert "capacity.html" not in render(*given)


def test_replays_are_shown_where_there_are_any(tmp_path):
    _, given = _inputs(tmp_path)
    assert "<h2>Replays</h2>" not in render(*given)
    rows, picture = _replays(tmp_path)
    environment, text, tables, figures, runs = given
    page = render(environment, text, {**tables, "replays": rows}, [*figures, picture], runs)
    assert page.count("data:image/svg") == len(PLACED) + 1
    shown = page[page.index("<h2>Replays</h2>") : page.index("Parity gate")]
    wanted = {number(value) for value in 100 * rows["live_share_of_region"]} | set(rows["policy"])
    assert wanted <= _cells(shown)
    assert "n = 400 requests of mixed, all there at once; 1,030 slots" in shown


def test_without_a_run_there_are_only_replays_and_the_page_says_that_nothing_was_measured(tmp_path):
    rows, picture = _replays(tmp_path)
    page = render(ENVIRONMENT, "runs: []\n", {"replays": rows}, [picture], [])
    assert "Nothing was measured: <code>runs</code> is empty" in page
    assert page.count("data:image/svg") == 1
    assert set(rows["policy"]) <= _cells(page)
    assert "A CPU &amp; more" in page
    assert not {"Parity gate", "Targets"} & set(re.findall("<h2>(.*?)</h2>", page))
    assert "capacity.html" in render(ENVIRONMENT, "", {}, [], [], has_capacity=True)


def _replays(folder):
    """The rows of replays.csv for a scenario, and a figure of it."""
    rows = replays_table([replayed(scenario("mine"), name="mine")])
    return rows, write_picture(folder / "figures/replays/mine/replay_waste.svg")


def test_a_figure_that_was_not_drawn_is_named_first(tmp_path):
    _, given = _inputs(tmp_path)
    said = not_drawn.sentence(IndexError("a < b"), "logs/x.log")
    path = next(path for path in given[3] if path.stem == "roofline")
    write_text(path, SVG.replace("/>", f"><desc>{html.escape(not_drawn.mark(said))}</desc></svg>"))
    page = render(*given)
    assert page.index("could not be drawn; the tables") < page.index("<h2>In short</h2>")
    assert page.count(html.escape(said)) == 2  # in the list, and below the picture
    assert "smollm2-135m, mixed, roofline. " in page


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
    gate = page[page.index("Parity gate") : page.index("Method and limits")]
    assert {"parity", "vllm", "passed"} <= _cells(gate)
    assert "<h2>smollm2-135m: parity</h2>" not in page


def test_few_repeats_show_medians_without_an_interval(tmp_path):
    _, given = _inputs(tmp_path, repeats=2)
    cells = _cells(render(*given).partition("<h2>Benchmarks of kvbench itself</h2>")[0])
    assert not [cell for cell in cells if re.fullmatch(r"[\d.,]+ \[.*\]", cell)]
    row = given[2]["ratios"].iloc[0]
    parts = [number(row[f"numerator_output_tokens_per_s_{part}"]) for part in ("median", "min", "max")]
    assert "{} ({} to {})".format(*parts) in cells
    assert not {"above 1", "below 1", "includes 1"} & cells


def test_upkeep_is_shown_where_it_was_timed(tmp_path):
    _, given = _inputs(tmp_path)
    upkeep = given[2]["upkeep"]
    row = upkeep[upkeep["engine"] == "vllm"].iloc[0]
    page = render(*given)
    assert "Upkeep of block tables" in page
    quartiles = [number(1e3 * row[f"step_s_{part}"]) for part in ("median", "q1", "q3")]
    assert {"{} ({} to {})".format(*quartiles), number(100 * row["upkeep_share_of_step"])} <= _cells(page)
    given[2]["upkeep"] = upkeep.iloc[:0]
    assert "Upkeep of block tables" not in render(*given)


def test_no_conclusion_is_written_in_the_template_or_the_captions():
    texts = [(SCRIPTS / "kvbench/report/templates" / TEMPLATE).read_text()]
    texts += [path.read_text() for path in (ROOT / "captions").glob("*.rst")]
    for text in texts:
        assert not re.search(r"\b(faster|slower|better|worse|wins?|outperform\w*|superior|efficient)\b", text, re.I)


def test_captions_are_short():
    for path in (ROOT / "captions").glob("*.rst"):
        assert 1 <= len(path.read_text().strip().splitlines()) <= 4, path


def test_a_pdf_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"a\.pdf: the report shows svg or png"):
        embed(tmp_path / "a.pdf")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (np.nan, "–"),
        (0.0, "0"),
        (6, "6"),
        (1234.5, "1,234"),
        (30.72, "30.7"),
        (0.0307, "0.0307"),
        ("x", "x"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_cells_are_escaped():
    assert "&lt;b&gt;" in to_html(pd.DataFrame({"a": ["<b>"]}))


def test_targets_and_benchmarks_show_what_was_missed(shown) -> None:
    page = shown[1]
    wanted = page.partition("<h2>Targets</h2>")[2].partition("<h2>")[0]
    row = next(line for line in wanted.split("<tr>") if "hf backend" in line or "--backend hf" in line)
    assert {"≥ 1.0", "0.951", "missed"} <= _cells(row)
    assert {"= passed", "reached"} <= _cells(wanted)
    [(line, names)] = _folded(wanted).items()
    missing = shown[0]["targets"].query("verdict == 'not measured'")
    assert line == f"{len(missing)} targets not measured"
    assert [name.partition(": wanted")[0] for name in names] == list(missing["says"])
    beside = page.partition("<h2>Benchmarks of kvbench itself</h2>")[2].partition("<h2>")[0]
    assert {"hf-batch", "vllm bench", "48 / 48", "0.951 [0.940, 0.960]"} <= _cells(beside)


@pytest.mark.parametrize("told", [True, False])
def test_energy_is_shown_where_it_is_known(shown, told: bool) -> None:
    table = shown[0]["throughput"].assign(label="x")
    if told:
        table = table.assign(energy_j_per_output_token_median=0.5, energy_j_per_request_median=12.5)
    view = throughput_view(table)
    assert ("energy (J/request)" in view) == told
    assert not told or set(view["energy (J/request)"]) == {"12.5"}
