"""Comparison of two result folders: the ratio is the right way round, and only over the same requests."""

import subprocess
import sys

import pytest
from builders.changed_runs import changed_record
from builders.places import SCRIPTS
from builders.runs import write_runs
from builders.simulated_engine import MAX_LENGTH
from builders.simulated_requests import make_requests
from builders.speeds import median_speed
from builders.tables import only

from compare import run
from kvbench.errors import UserError
from kvbench.files import read_json, write_json
from kvbench.report.comparison import compare, flat, load_side
from kvbench.report.comparison_page import as_html, as_markdown

REQUESTS = make_requests(10)


def _folder(root, engines, config="seed: 0\n", torch="2.13.0", **given):
    write_runs(root / "results/runs", engines, requests=REQUESTS, **given)
    packages = {"torch": {"version": torch, "file": "x"}, "numpy": {"version": "2.3", "file": "x"}}
    write_json(root / "results/environment.json", {"device": "cpu", "cpu": {"model": "A CPU"}, "packages": packages})
    (root / "results/config.yaml").write_text(config)
    return root


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("compare")
    a = _folder(root / "a", ("hf-batch", "vllm"), "seed: 0\nruns:\n- {repeats: 6, models: [m]}\n")
    b = _folder(root / "b", ("vllm", "hf-static"), "seed: 0\nruns:\n- {repeats: 7, models: [m]}\n", "2.14.0", seed=3)
    return a, b


def test_the_ratio_is_b_over_a_of_the_medians_between_both(folders):
    sides = [load_side(folder) for folder in folders]
    row = only(compare(*sides, 0)["B over A"], metric="output tokens/s", requests="all")
    speeds = [median_speed(next(run for run in side.runs if run.engine == "vllm")) for side in sides]
    assert speeds[0] != speeds[1]
    value, low, high = (float(part.strip(",[]")) for part in row["B / A"].split())
    assert value == pytest.approx(speeds[1] / speeds[0], rel=5e-3)
    assert low < value < high
    assert float(row["A"].split()[0]) == pytest.approx(speeds[0], rel=5e-3)
    assert row["note"] == "n = 6"


def test_only_what_differs_is_listed(folders):
    tables = compare(*map(load_side, folders), 0)
    assert tables["Versions that differ"].to_numpy().tolist() == [["torch", "2.13.0", "2.14.0"]]
    assert tables["Settings that differ"].to_numpy().tolist() == [["runs[0].repeats", "6", "7"]]
    assert tables["Settings in force that differ"].empty
    alone = tables["Runs of one folder only"]
    assert alone[["folder", "engine"]].to_numpy().tolist() == [["A", "hf-batch"], ["B", "hf-static"]]


def test_how_long_a_padded_row_may_be_is_a_setting_of_engines_with_padded_batches(tmp_path):
    engines = ("hf-batch", "hf-static", "vllm")
    older, newer = (_folder(tmp_path / name, engines) for name in ("older", "newer"))
    for engine in engines:
        [path] = newer.glob(f"results/runs/*/{engine}/*/*/run.json")
        write_json(path, read_json(path) | {"max_context": 4096})
    found = compare(load_side(older), load_side(newer), 0)["Settings in force that differ"]
    [(name, before, after)] = found.to_numpy().tolist()
    assert name.endswith("hf-batch: longest padded row (tokens)")
    assert (before, after) == (str(MAX_LENGTH), "4096")


def test_other_requests_and_few_repeats_are_said(tmp_path, folders):
    other = tmp_path / "other"
    write_runs(other / "runs", ("vllm",), requests=REQUESTS[:9], repeats=3)
    write_json(other / "environment.json", {"device": "cpu", "cpu": {}})
    found = compare(load_side(folders[0]), load_side(other), 0)["B over A"]
    row = only(found, metric="output tokens/s", requests="all")
    assert (row["B / A"], row["note"]) == ("–", "other requests")
    subset = only(found, metric="output tokens/s", requests="subset")
    assert "[" not in subset["B / A"] + subset["B"]
    assert "[" in subset["A"]
    assert subset["note"] == "n = 6 and 3"


def test_parity_runs_are_left_out(tmp_path):
    write_runs(tmp_path / "runs", ("vllm",), workload="parity", requests=make_requests(4), repeats=1)
    with pytest.raises(UserError, match="give a folder that holds results"):
        load_side(tmp_path)


def test_pages_escape_and_say_where_nothing_differs(folders):
    tables = compare(load_side(folders[0]), load_side(folders[0]), 0)
    text, page = as_markdown(tables), as_html(tables)
    assert text.count("none differ") == page.count("none differ") == 4
    assert "src=" not in page
    tables["Machines"].loc[0, "A"] = "<b> | c"
    assert "<b> \\| c" in as_markdown(tables)
    assert "&lt;b&gt;" in as_html(tables)


def test_nested_settings_become_dotted_keys():
    found = flat({"a": {"b": 1}, "runs": [{"x": 2}], "formats": ["pdf", "png"]})
    assert found == {"a.b": 1, "runs[0].x": 2, "formats": ["pdf", "png"]}


@pytest.mark.parametrize(
    ("a", "out", "message"),
    [
        ("gone", "x.md", "gone: no such folder"),
        ("", "x.md", "A and B: give two result folders"),
        ("gone", "x.pdf", "OUT=x.pdf: unknown file type"),
    ],
)
def test_a_wrong_call_says_what_to_give(tmp_path, a, out, message):
    with pytest.raises(UserError, match=message):
        run([name for name in (a, str(tmp_path)) if name], out, 0)


def test_a_failure_is_one_line(tmp_path):
    command = [sys.executable, str(SCRIPTS / "compare.py"), ".", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        ".: no tables/*.csv, so no finished run; give a results folder of `make run`, the folder around it, or one of "
        "docs/gallery"
    ]


def test_the_same_requests_are_told_by_their_content_and_else_by_totals(tmp_path):
    a, b = (_folder(tmp_path / name, ("vllm",)) for name in ("a", "b"))
    path = b / "results/runs/smollm2-135m/vllm/mixed/base/run.json"
    with changed_record(path) as record:
        record["digests"]["workload"]["all"] = "other"
    found = compare(load_side(a), load_side(b), 0)["B over A"]
    assert only(found, metric="output tokens/s", requests="all")["note"] == "other requests"
    assert only(found, metric="output tokens/s", requests="subset")["note"] == "n = 6"
    del record["digests"]["workload"]
    write_json(path, record)
    row = only(compare(load_side(a), load_side(b), 0)["B over A"], metric="output tokens/s", requests="all")
    assert row["note"] == "n = 6; same requests by their totals only: a record has no digest"
    assert "[" in row["B / A"]


def test_disturbed_repeats_are_counted(tmp_path):
    a, b = (_folder(tmp_path / name, ("vllm",)) for name in ("a", "b"))
    path = b / "results/runs/smollm2-135m/vllm/mixed/base/run.json"
    with changed_record(path) as record:
        next(r for r in record["repeats"] if r["timed"] and r["scope"] == "all")["cpu_s"] /= 2
    found = compare(load_side(a), load_side(b), 0)["B over A"]
    assert set(found.loc[found["requests"] == "all", "note"]) == {"n = 6, disturbed 0 and 1"}
    assert set(found.loc[found["requests"] == "subset", "note"]) == {"n = 6"}


def test_folders_without_a_common_run_say_so(tmp_path):
    a, b = (load_side(_folder(tmp_path / engine, (engine,))) for engine in ("vllm", "hf-batch"))
    tables = compare(a, b, 0)
    assert tables["B over A"].empty
    for page in (as_markdown(tables), as_html(tables)):
        assert "no run is in both folders" in page


def test_processes_are_counted(tmp_path):
    a, b = (_folder(tmp_path / name, ("vllm",)) for name in ("a", "b"))
    write_runs(b / "results/runs", ("vllm",), requests=REQUESTS, process=2, slower=1.5)
    row = only(compare(load_side(a), load_side(b), 0)["B over A"], metric="output tokens/s", requests="all")
    assert row["note"] == "n = 6 and 12 in 1 and 2 processes"
