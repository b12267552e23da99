"""A repetition has the published verdict, another one, or none."""

import pytest
from builders.machines import write_machine

import reproduce
from kvbench.errors import UserError
from kvbench.publication.reproduce import listed, outcomes
from kvbench.publication.runs import Run
from kvbench.report.across.folders import load

SPEEDS = {"hf-batch": (100, 90, 110, 80, 120), "vllm": (300, 280, 320, 270, 330)}
CONFIG = {"runs": [{}], "device": "cpu", "gpus": 1, "models": {}}


@pytest.fixture
def run(tmp_path):
    verdicts = {"claim-a": "supported", "claim-b": "not supported"}
    return Run("r", "run", (), None, None, CONFIG, load(write_machine(tmp_path / "gallery", SPEEDS, verdicts=verdicts)))


def test_the_same_and_another_verdict_are_told_apart(run, tmp_path):
    here = write_machine(tmp_path / "here/results", SPEEDS, verdicts={"claim-a": "supported", "claim-b": "supported"})
    [same], [other] = (outcomes(run, here.parent, name) for name in ("claim-a", "claim-b"))
    assert (same.same, other.same) == (True, False)
    assert str(other) == (
        "m, mixed: published not supported: 1.50 [1.40, 1.60]; here supported: 1.50 [1.40, 1.60]: another verdict"
    )


def test_other_requests_and_a_missing_claim_are_no_repetition(run, tmp_path):
    more = write_machine(tmp_path / "more", SPEEDS, requests=9, verdicts={"claim-a": "supported"})
    assert [one.same for one in outcomes(run, more, "claim-a")] == [False]
    assert [one.same for one in outcomes(run, more, "claim-b")] == [False]
    with pytest.raises(UserError, match="no such folder"):
        outcomes(run, tmp_path / "gone", "claim-a")


@pytest.mark.parametrize(("verdict", "code"), [("supported", 0), ("not supported", 1), (None, 2)])
def test_the_exit_code_says_whether_the_verdict_is_the_same(run, tmp_path, monkeypatch, capsys, verdict, code):
    called = []

    def snakemake(command, cwd):
        called.append(command)
        if verdict:
            write_machine(tmp_path / "own/results", SPEEDS, verdicts={"claim-a": verdict})
        return int(verdict is None)

    monkeypatch.setattr(reproduce.subprocess, "call", snakemake)
    assert reproduce.repeat(run, tmp_path / "own", "claim-a", ["--cores", "2"]) == code
    assert called[0][1:] == ["-m", "snakemake", "--directory", str(tmp_path / "own"), "--cores", "2"]
    told = capsys.readouterr()
    assert ("verdict" in told.out) == (verdict is not None)
    assert ("the run failed" in told.err) == (verdict is None)


def test_every_claim_is_listed_with_its_command(runs, claims):
    lines = list(listed(runs, claims))
    assert [line.split()[0] for line in lines] == [claim["id"] for claim in claims.claims]
    [energy] = [line for line in lines if line.startswith("guide-cost-energy ")]
    assert energy.endswith(f"h200-shapes, {runs['h200-shapes'].minutes} min: {runs['h200-shapes'].command}")
