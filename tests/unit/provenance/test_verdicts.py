"""The verdict on each file of results: what is looked for, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders.manifested import run_job

from kvbench.files import sha256, write_json
from kvbench.provenance.manifest import digests_of, place
from kvbench.provenance.plan import WANTED, Planned, read_plan, write_plan
from kvbench.provenance.summary import kind_of, lines, table
from kvbench.provenance.verdicts import MENDS, Verdict, Verifier

RUN, TABLE, FIGURE = "results/runs/m/vllm/w/base/requests.parquet", "results/tables/a.csv", "results/figures/m/w/a.svg"
SETTINGS, PACKAGES = {"repeats": 3}, ["torch==2", "vllm==1"]


def planned(rule: str, *wildcards: str, given: tuple[str, ...] = (), made: str, **params: object) -> Planned:
    packages = tuple(params.pop("packages", ()))
    return Planned(rule, wildcards, "c0de", digests_of(params), packages, given, (made,))


RUN_JOB = planned("run_vllm", "m", given=("trace.csv",), made=RUN, settings=SETTINGS, packages=PACKAGES)
TABLE_JOB = planned("summarise", given=(RUN,), made=TABLE, seed=0)
FIGURE_JOB = planned("plot_a", "m", "w", given=(TABLE,), made=FIGURE)


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("trace.csv").write_text("1,2\n")
    run_job("run_vllm", "m", given=("trace.csv",), made={RUN: "tokens"}, settings=SETTINGS, packages=PACKAGES)
    run_job("summarise", given=(RUN,), made={TABLE: "x\n"}, seed=0)
    run_job("plot_a", "m", "w", given=(TABLE,), made={FIGURE: "<svg/>"})


def states(*jobs: Planned) -> dict[str, str]:
    found = Verifier(Path()).verdicts(jobs or (RUN_JOB, TABLE_JOB, FIGURE_JOB))
    return {one.path: f"{one.state} {one.detail}".strip() for one in found}


def changed(path: str) -> None:
    Path(path).write_text("other")


def lost(path: str) -> None:
    Path(path).unlink()


def test_results_that_follow_are_ok() -> None:
    assert states() == dict.fromkeys([FIGURE, RUN, TABLE], "ok")


@pytest.mark.parametrize(
    ("do", "path", "told"),
    [
        (lost, TABLE, {TABLE: "missing", FIGURE: f"stale inputs {TABLE} is missing"}),
        (changed, FIGURE, {FIGURE: "changed 5 bytes instead of 6"}),
        (changed, RUN, {RUN: "changed 5 bytes instead of 6", TABLE: f"stale inputs {RUN} is another one"}),
        (changed, "trace.csv", {RUN: "stale inputs trace.csv is another one"}),
        (lost, "trace.csv", {}),
        (lost, str(place("summarise", ())), {TABLE: "unknown"}),
    ],
)
def test_a_file_that_is_lost_or_changed(do: Callable[[str], None], path: str, told: dict[str, str]) -> None:
    do(path)
    assert states() == {**dict.fromkeys([FIGURE, RUN, TABLE], "ok"), **told}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"code": "other"}, "stale code"),
        ({"params": digests_of({"settings": {"repeats": 4}})}, "stale settings settings"),
        ({"packages": ("torch==2", "vllm==3")}, "stale packages vllm 3 instead of 1"),
        ({"packages": ()}, "ok"),  # an environment without engines
        ({"inputs": ("trace.csv", "more.csv")}, "stale inputs more.csv was not read"),
    ],
)
def test_a_job_that_would_be_another_one_now(now: dict[str, object], told: str) -> None:
    assert states(replace(RUN_JOB, **now)) == {RUN: told}


def test_a_run_without_a_manifest_is_compared_with_its_record() -> None:
    lost(str(place("run_vllm", ["m"])))
    record = Path(RUN).with_name("run.json")
    write_json(record, {"files": {"requests.parquet": {"bytes": 6, "sha256": sha256(RUN)}}})
    assert states(RUN_JOB) == {RUN: "unknown"}
    changed(RUN)
    assert states(RUN_JOB) == {RUN: "changed run.json names another content"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": {"requests.parquet": 3}}'])
def test_a_run_whose_record_says_nothing_is_unknown(content: str) -> None:
    lost(str(place("run_vllm", ["m"])))
    Path(RUN).with_name("run.json").write_text(content)
    assert states(RUN_JOB) == {RUN: "unknown"}


def test_files_outside_results_get_no_verdict() -> None:
    assert states(planned("prepare_model", "m", made="resources/models/m/model.json")) == {}


def test_the_table_counts_by_kind_and_each_reason_has_a_line() -> None:
    found = [
        Verdict(TABLE, "summarise", "ok"),
        Verdict(FIGURE, "plot_a", "stale code"),
        Verdict(FIGURE.replace("a.svg", "a.pdf"), "plot_a", "stale code"),
        Verdict("results/report.html", "make_report", "changed", "0 bytes instead of 9"),
    ]
    assert table(found).splitlines() == [
        "files    ok  changed  stale code",
        "tables    1        0           0",
        "figures   0        0           2",
        "pages     0        1           0",
    ]
    assert lines(found) == [
        f"results/report.html: changed (0 bytes instead of 9); {MENDS['changed']}",
        f"{FIGURE} and 1 more of plot_a: stale code; run the same command again",
    ]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (RUN, "runs"),
        ("results/serving/m/w/predicted.csv", "replays"),
        ("results/methods.tex", "pages"),
        ("results/environment.json", "settings, machine"),
    ],
)
def test_kinds_of_files(path: str, kind: str) -> None:
    assert kind_of(path) == kind


def test_a_plan_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class File(str):
        is_ancient = False

    class Old(File):
        is_ancient = True

    params = {"code": "c0de", "settings": SETTINGS, "packages": PACKAGES}
    given = (File("trace.csv"), Old("results/environment.json"))
    job = SimpleNamespace(
        rule=SimpleNamespace(name="run_vllm"), wildcards=("m",), params=params, input=given, output=(RUN,)
    )
    asking = SimpleNamespace(rule=SimpleNamespace(name="all"), output=())
    monkeypatch.setenv(WANTED, str(tmp_path / "plan.json"))
    write_plan([job, asking])
    assert read_plan(tmp_path / "plan.json") == [RUN_JOB]
