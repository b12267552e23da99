"""Machines against metrics: each value in its machine's column, only equal requests in one row."""

import pytest
from builders.machines import write_machine
from builders.places import GALLERY
from builders.runs import write_runs
from builders.simulated_requests import make_requests
from builders.tables import only

from compare import check, main, run
from kvbench.errors import UserError
from kvbench.report.across.folders import load_all
from kvbench.report.across.tables import VERDICTS, across
from kvbench.report.across.verdicts import changed, verdicts

SLOW = {"hf-batch": (100, 90, 110, 80, 120), "vllm": (300, 280, 320, 270, 330)}
FAST = {
    "hf-batch": (200, None, None, 200, 200),
    "vllm-eager": (500, None, None, 500, 500),
    "vllm": (900, None, None, 800, 1000),
}
SUPPORTED = {"claim-a": "supported", "claim-b": "supported"}


@pytest.fixture
def folders(tmp_path):
    slow = write_machine(tmp_path / "slow", SLOW, verdicts=SUPPORTED, packages={"torch": "2.13.0", "gguf": None})
    full = {"torch": {"version": "2.14.0", "file": "/x"}, "gguf": None}
    fast = write_machine(
        tmp_path / "fast/results", FAST, verdicts={**SUPPORTED, "claim-b": "not supported"}, packages=full
    )
    other = write_machine(tmp_path / "other", SLOW, requests=9, config="seed: 1\n", verdicts={"claim-b": "supported"})
    return [slow, fast.parent, other]


def test_a_row_is_of_equal_requests_and_a_machine_without_it_has_a_dash(folders):
    table = across(load_all(folders))["Throughput"]
    same = table[table["requests"] == "6 (120 + 60 tokens)"]
    assert same[["run", "slow", "fast", "other"]].to_numpy().tolist() == [
        ["hf-batch", "100 [90, 110]", "200", "–"],
        ["vllm", "300 [280, 320]", "900 (800 to 1,000)", "–"],
        ["vllm-eager", "–", "500", "–"],
    ]
    assert set(table["requests"]) == {"6 (120 + 60 tokens)", "9 (120 + 60 tokens)"}
    assert only(table, requests="9 (120 + 60 tokens)", run="vllm")["other"] == "300 [280, 320]"


def test_each_kind_of_metric_has_its_table(folders):
    tables = across(load_all(folders))
    assert list(tables)[:5] == ["Folders", "Throughput", "Waste", "Ratios", VERDICTS]
    assert only(tables["Waste"], run="vllm", other="–")["fast"] == "0.900"
    assert only(tables["Ratios"], run="vllm / hf-batch", other="–")["fast"] == "4.50"


def test_only_what_differs_is_listed(folders):
    tables = across(load_all(folders))
    assert tables["Versions that differ"].to_numpy().tolist() == [["torch", "2.13.0", "2.14.0", "–"]]
    assert tables["Settings that differ"].to_numpy().tolist() == [["seed", "0", "0", "1"]]
    assert only(tables["Machines"], fact="CPU")["other"] == "other"


def test_a_changed_verdict_is_named_and_other_requests_are_not_the_same_claim(folders, capsys):
    differing = changed(verdicts(load_all(folders)))
    assert differing[["id", "requests"]].to_numpy().tolist() == [["claim-b", "6 (120 + 60 tokens)"]]
    assert check(list(map(str, folders))) == 1
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "claim-b, m, mixed: slow: supported: 1.50 [1.40, 1.60]; fast: not supported: 1.50 [1.40, 1.60]; other: –",
        "1 of 2 verdicts differ",
    ]


def test_equal_verdicts_end_well(folders, tmp_path, capsys):
    again = write_machine(tmp_path / "again", FAST, verdicts=SUPPORTED)
    assert check([str(folders[0]), str(again)]) == 0
    assert capsys.readouterr().out == "0 of 2 verdicts differ\n"


def test_folders_without_a_common_claim_cannot_be_checked(folders, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["compare.py", str(folders[0]), str(folders[2]), "--check"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "slow, other: no claim was tested on the same requests in two of these folders; "
        "give folders of the same configuration\n"
    )


def test_the_page_holds_its_figure_and_needs_no_network(folders, tmp_path, capsys):
    run(list(map(str, folders)), str(tmp_path / "out/all.html"), 0)
    page = (tmp_path / "out/all.html").read_text()
    assert page.count("src=") == page.count('src="data:image/png;base64,') == 1
    assert "<td>hf-batch</td>" in page
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".html", ".png", ".svg"}
    run(list(map(str, folders)), str(tmp_path / "out/all.md"), 0)
    assert "](all.png)" in (tmp_path / "out/all.md").read_text()


def test_two_folders_with_raw_repeats_have_ratios_too(tmp_path, capsys):
    for name in "ab":
        write_runs(tmp_path / name / "runs", ("vllm",), requests=make_requests(6))
        write_machine(tmp_path / name, SLOW, verdicts=SUPPORTED)
    run([str(tmp_path / name) for name in "ab"], str(tmp_path / "both.md"), 0)
    page = (tmp_path / "both.md").read_text()
    titles = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert {"Throughput", VERDICTS, "B over A"} <= set(titles)
    assert len(titles) == len(set(titles))
    assert f"| {tmp_path / 'a'} | {tmp_path / 'b'} |" in page  # which is A and which B


def test_runs_without_an_engine_have_nothing_in_common_to_draw(tmp_path, capsys):
    run([str(GALLERY / "paper-traces"), str(GALLERY / "cpu-2-cores-picture")], str(tmp_path / "out.md"), 0)
    assert "| paper-traces " in (tmp_path / "out.md").read_text()


def test_folders_of_one_name_are_told_by_their_path_and_none_is_given_twice(tmp_path):
    first, second = (write_machine(tmp_path / at / "gpu", SLOW) for at in "ab")
    assert [folder.name for folder in load_all([first, second])] == [str(first), str(second)]
    with pytest.raises(UserError, match="given twice"):
        load_all([first, second, first])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no tables"):
        load_all([first, tmp_path / "empty"])


def test_all_galleries_stand_side_by_side():
    machines = load_all([path for path in GALLERY.iterdir() if (path / "tables").is_dir()])
    tables = across(machines)
    assert {"Throughput", "Latency", "Waste", "Capacity", "Ratios", VERDICTS} <= tables.keys()
    row = only(tables["Ratios"], run="vllm / vllm-reserved-oracle", metric="requests/s within the SLO, ratio")
    assert row["h200-serving"] == "1.55 [1.47, 1.68]"
