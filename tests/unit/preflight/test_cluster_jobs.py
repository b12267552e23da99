"""Cluster jobs of an earlier call, and the line of one that failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.slurm_programs import answering

from kvbench.errors import UserError
from kvbench.preflight.cluster_jobs import LOGS, refuse_running, told
from kvbench.preflight.stopping import locked

LOG = "logs/run_vllm/tiny/vllm/mine/base.log"
OWN = "run_vllm tiny vllm mine base: "


def record(state: str, printed: str, folder: Path) -> dict:
    """The record of Snakemake's log for job 7, which printed a text."""
    output = folder / "7.log"
    output.write_text(printed)
    why = " due to a node failure" if state == "NODE_FAIL" else ""
    message = f"SLURM-job '7' failed{why}, SLURM status is: '{state}'. Detailed failure reason unavailable (…)."
    return {"rule_name": "run_vllm", "rule_msg": message, "log": [LOG, str(output)]}


def test_the_last_line_of_the_job_itself_is_told(tmp_path: Path) -> None:
    printed = f"rule run_vllm:\n{OWN}waiting to load\n{OWN}config.yaml: some.key: bad; mend\nError in rule run_vllm:\n"
    see = f"(job 7 of SLURM; see {LOG}, {tmp_path}/7.log)"
    assert told(record("FAILED", printed, tmp_path)) == f"{OWN}config.yaml: some.key: bad; mend {see}"


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("TIMEOUT", "SLURM ended job 7 at its time limit; raise cluster.rules.run_vllm.runtime_min in config.yaml"),
        (
            "OUT_OF_MEMORY",
            "SLURM ended job 7 because it took more memory than it asked for; raise cluster.rules.run_vllm.memory_gib "
            "in config.yaml",
        ),
        ("CANCELLED", "job 7 of SLURM was cancelled; run the same command again to go on"),
        ("NODE_FAIL", "job 7 of SLURM lost its node; run the same command again to go on"),
    ],
)
def test_what_slurm_did_goes_before_what_the_job_printed(tmp_path: Path, state: str, line: str) -> None:
    printed = f"{OWN}interrupted by SIGTERM in phase repeat-1\n"
    assert told(record(state, printed, tmp_path)) == f"{OWN}{line}; see {LOG}, {tmp_path}/7.log"


@pytest.mark.parametrize(
    "printed",
    [
        "slurmstepd-a: error: Exceeded job memory limit",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed.",
    ],
)
def test_a_job_killed_for_its_memory_is_known_by_what_slurm_printed(tmp_path: Path, printed: str) -> None:
    line = told(record("FAILED", f"{printed}\n{OWN}killed by signal 9 (SIGKILL) in phase load\n", tmp_path))
    assert line.startswith(
        f"{OWN}SLURM ended job 7 because it took more memory than it asked for; raise cluster.rules."
    )


def test_a_job_that_printed_nothing_is_told_by_its_state(tmp_path: Path) -> None:
    line = f"{OWN}job 7 of SLURM ended as BOOT_FAIL; see {LOG}, {tmp_path}/7.log"
    assert told(record("BOOT_FAIL", "srun: error\n", tmp_path)) == line
    gone = record("FAILED", "", tmp_path)
    (tmp_path / "7.log").unlink()
    assert told(gone) == f"{OWN}job 7 of SLURM ended as FAILED; see {LOG}, {tmp_path}/7.log"


def test_a_job_that_slurm_refuses_is_told_and_others_are_snakemakes() -> None:
    message = "SLURM sbatch failed. The error message was 'sbatch: error: Invalid\nqos'.\n    sbatch call: …"
    line = "run_vllm: SLURM refused the job: sbatch: error: Invalid qos; see `cluster` in config.yaml"
    assert told({"rule_name": "run_vllm", "rule_msg": message, "log": [LOG]}) == line
    assert told({"rule_name": "run_vllm", "rule_msg": None, "log": [LOG]}) is None


def test_jobs_that_still_run_are_not_run_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = "{}|RUNNING|kvbench_0f|{}|rule_run_vllm_wildcards_tiny_vllm_mine_base\n"
    calls = answering(tmp_path / "bin", monkeypatch, squeue="".join(row.format(n, tmp_path) for n in (7, 8, 9, 10)))
    refuse_running(tmp_path)
    assert not calls.exists()  # SLURM was never used here
    (tmp_path / LOGS).mkdir(parents=True)
    with pytest.raises(UserError, match=r"call: 7 \(run_vllm tiny_vllm_mine_base, running\), 8 .* and 1 more; wait"):
        refuse_running(tmp_path)
    told = f"{tmp_path} is locked by a call that has ended, but 4 of its cluster jobs have not: run make cancel"
    assert locked(tmp_path).startswith(told)


def test_a_slurm_that_does_not_answer_hinders_no_other_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(tmp_path / "bin", monkeypatch, squeue="")
    (tmp_path / "bin/squeue").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / LOGS).mkdir(parents=True)
    refuse_running(tmp_path)
