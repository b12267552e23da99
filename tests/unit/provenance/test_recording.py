"""What a job checks as it starts and leaves as it ends."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from builders.manifested import job_of, run_job
from builders.places import ROOT

from kvbench.errors import UserError
from kvbench.provenance import recording
from kvbench.provenance.manifest import digests_of, named, place, read, read_all
from kvbench.provenance.wording import READS_ONLY

TABLE = "results/tables/a.csv"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("trace.csv").write_text("1,2\n")
    run_job("summarise", given=("trace.csv",), made={TABLE: "x\n1\n"}, seed=0, packages=["torch==2", "vllm==1"])
    return tmp_path


def test_a_manifest_says_what_a_job_made_of_what() -> None:
    [found] = read_all()
    assert found == read(place("summarise", ()))
    assert (found.rule, found.code, found.packages) == ("summarise", "c0de", ("torch==2", "vllm==1"))
    assert found.inputs == {"trace.csv": sha256(b"1,2\n").hexdigest()}
    state = found.outputs[TABLE]
    assert (state.bytes, state.sha256) == (4, sha256(b"x\n1\n").hexdigest())
    assert state.mtime_ns == Path(TABLE).stat().st_mtime_ns
    assert list(found.params) == ["seed"]


def test_manifests_of_a_rule_are_apart_by_wildcards() -> None:
    run_job("plot", "m", "w", made={"results/figures/m/w/a.svg": "<svg/>"})
    run_job("plot", "m", "v", made={"results/figures/m/v/a.svg": "<svg/>"})
    assert sorted(map(str, Path("results/manifests/plot").rglob("*.json"))) == [
        "results/manifests/plot/m/v.json",
        "results/manifests/plot/m/w.json",
    ]


@pytest.mark.parametrize(
    ("content", "told"), [("", "0 bytes instead of 4"), ("x\n2\n", "its content has changed"), ("x\n11\n", "5 bytes")]
)
def test_a_job_refuses_an_input_that_is_not_what_its_rule_wrote(content: str, told: str) -> None:
    Path(TABLE).write_text(content)
    job = job_of("plot", given=(TABLE, "trace.csv"), made={"results/a.svg": ""})
    with pytest.raises(UserError, match=rf"^{TABLE} is not what summarise wrote \({told}.*\); delete it and run the"):
        recording.begin(job)


def test_a_changed_users_file_is_not_refused() -> None:
    """It is an input that Snakemake watches, and nobody's output."""
    Path("trace.csv").write_text("3,4\n")
    assert recording.check_inputs(["trace.csv"]) == {"trace.csv": sha256(b"3,4\n").hexdigest()}


def test_results_that_are_only_read_are_to_be_copied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(READS_ONLY, "1")
    Path(TABLE).write_text("")
    with pytest.raises(UserError, match="copy it again from where the run was done"):
        recording.check_inputs([TABLE])


@pytest.mark.parametrize("wildcards", [(), ("m",), ("m", "w")])
def test_a_job_that_fails_leaves_no_manifest(wildcards: tuple[str, ...]) -> None:
    """Of its last time neither: a file that it had replaced would be called damaged."""
    run_job("plot", *wildcards, made={"results/figures/a.svg": "<svg/>"})
    recording.begin(job_of("plot", *wildcards, given=(TABLE,), made={"results/figures/a.svg": ""}))
    assert [one.rule for one in read_all()] == ["summarise"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"outputs": {"a": 3}}', "[" * 100_000, "\xff"])
def test_a_manifest_that_is_none_is_as_good_as_missing(content: str) -> None:
    place("summarise", ()).write_text(content, encoding="latin-1")
    assert read_all() == []
    Path(TABLE).write_text("")
    assert TABLE in recording.check_inputs([TABLE])


def test_the_projects_own_files_have_one_name_wherever_results_are(tmp_path: Path) -> None:
    assert named(str(ROOT / "config/claims.yaml")) == "config/claims.yaml"
    assert named(os.path.relpath(ROOT / "config/claims.yaml", tmp_path), tmp_path) == "config/claims.yaml"
    assert named("results/tables/a.csv") == "results/tables/a.csv"
    assert named("config/mine.csv") == "config/mine.csv"


def test_digests_of_parameters_know_neither_code_nor_packages_nor_device() -> None:
    params = {"code": "a", "packages": ["b==1"], "device": "auto", "settings": {"seed": 1, "device": "auto"}}
    found = digests_of(params)
    assert list(found) == ["settings"]
    assert found == digests_of({**params, "settings": {"device": "cuda", "seed": 1}})
    assert found != digests_of({**params, "settings": {"device": "auto", "seed": 2}})
