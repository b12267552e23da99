"""`make cluster` on a real SLURM: results, whole nodes, failures, limits, lost connections."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from builders.cluster_project import OUTPUT_TOKENS, REQUESTS, behave, cluster_project, ran
from builders.slurm import PATIENCE_S, Slurm

from kvbench.files import read_json

SMALL = {"others": {"memory_gib": 1}}
# The plugin looks after its jobs later and later, beginning with this.
QUICKLY = ("--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "1")
OVERLAY = ("--configfile", "overlay.yaml", *QUICKLY)
CLUSTER = (sys.executable, "scripts/cluster.py", *OVERLAY)
CANCEL = (sys.executable, "scripts/cancel.py")
RUN = "results/runs/tiny/{}/mine/base/run.json"
RUNS = [RUN.format(engine) for engine in ("hf-batch", "vllm")]
WORKLOAD = "results/workloads/tiny/mine.parquet"


def said(done: subprocess.CompletedProcess[str], beginning: str) -> list[str]:
    """The lines on the terminal that begin so."""
    return [line for line in done.stderr.splitlines() if line.startswith(beginning)]


@pytest.fixture(scope="module", autouse=True)
def overdue(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen]:
    """A call whose workload takes longer than its limit of a minute, on a node of its own beside the other tests."""
    asked = {**SMALL, "partition": "short", "rules": {"make_workload": {"runtime_min": 1}}}
    project = cluster_project(tmp_path_factory.mktemp("overdue") / "project", asked)
    behave(project, make_workload={"sleep_s": 600})
    call = slurm.begin(*CLUSTER, WORKLOAD, cwd=project)
    yield call
    if call.poll() is None:  # only some of the tests were asked for
        os.killpg(call.pid, signal.SIGINT)
        call.communicate(timeout=PATIENCE_S)
        slurm.run(*CANCEL, cwd=project)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose scripts tell where they ran."""
    return cluster_project(tmp_path_factory.mktemp("told") / "project", SMALL, device="cuda")


@pytest.mark.engine
def test_the_tiny_configuration_has_its_results(slurm: Slurm, tmp_path: Path) -> None:
    real = cluster_project(tmp_path / "real", {**SMALL, "partition": "side"}, real=True)
    done = slurm.run(*CLUSTER, "results/tables/parity.csv", cwd=real, timeout=850)
    assert done.returncode == 0, done.stderr
    runs = [read_json(real / run) for run in RUNS]
    assert [run["threads"] for run in runs] == [slurm.cpus] * 2
    repeats = [repeat for run in runs for repeat in run["repeats"] if repeat["timed"] and repeat["scope"] == "all"]
    assert [repeat["output_tokens"] for repeat in repeats] == [REQUESTS.count("\n") * OUTPUT_TOKENS] * 2
    assert list(pd.read_csv(real / "results/tables/parity.csv").engine) == ["vllm"]
    jobs = [job for job in slurm.jobs() if job["folder"] == str(real)]
    assert {(job["node"], job["state"]) for job in jobs} == {("b", "COMPLETED")}


def test_a_lost_call_is_found_cancelled_and_gone_on_with(slurm: Slurm, project: Path) -> None:
    behave(project, run_traditional={"sleep_s": 600})
    lost = slurm.begin(*CLUSTER, *RUNS, cwd=project)
    number = slurm.wait_for("run_traditional", "RUNNING", project)
    os.killpg(lost.pid, signal.SIGKILL)
    lost.wait()
    locked = slurm.run(*CLUSTER, *RUNS, cwd=project)
    assert locked.returncode != 0
    assert "but 1 of its cluster jobs have not: run make cancel, or wait" in locked.stderr
    assert slurm.run(sys.executable, "-m", "snakemake", "--cores", "1", "--unlock", cwd=project).returncode == 0
    twice = slurm.run(*CLUSTER, *RUNS, cwd=project)
    assert (
        f"cluster jobs of an earlier call: {number} (run_traditional tiny_hf-batch_mine_base, running)" in twice.stderr
    )
    cancelled = slurm.run(sys.executable, "scripts/cancel.py", cwd=project)
    told = f"cancelled job {number} of SLURM: run_traditional tiny_hf-batch_mine_base (running)\n"
    assert (cancelled.returncode, cancelled.stdout) == (0, told)
    assert slurm.run(sys.executable, "scripts/cancel.py", cwd=project).stdout.startswith(
        "no cluster job of this folder"
    )


def test_a_failing_job_tells_its_own_line_once(slurm: Slurm, project: Path) -> None:
    behave(project, run_traditional={"fail": "config.yaml: some.key: the reason; the mend"})
    done = slurm.run(*CLUSTER, *RUNS[:1], cwd=project)
    assert done.returncode != 0
    [line] = said(done, "run_traditional")
    assert re.fullmatch(
        r"run_traditional tiny hf-batch mine base: config\.yaml: some\.key: the reason; the mend "
        r"\(job \d+ of SLURM; see logs/run_traditional/tiny/hf-batch/mine/base\.log, \S+/\d+\.log\)",
        line,
    )
    assert "Error in rule" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_beyond_its_memory_names_the_key(slurm: Slurm, project: Path) -> None:
    behave(project, run_traditional={"hold_mib": 2000, "sleep_s": 600})
    small = {**SMALL, "rules": {"run_traditional": {"memory_gib": 1}}}
    done = slurm.run(*CLUSTER, *RUNS[:1], "--config", f"cluster={small}", cwd=project)
    assert done.returncode != 0
    [line] = said(done, "run_traditional")
    mend = (
        "because it took more memory than it asked for; raise cluster.rules.run_traditional.memory_gib in config.yaml"
    )
    assert re.match(rf"run_traditional tiny hf-batch mine base: SLURM ended job \d+ {mend}", line)


def test_a_job_cancelled_by_hand_is_told(slurm: Slurm, project: Path) -> None:
    behave(project, run_traditional={"sleep_s": 600})
    call = slurm.begin(*CLUSTER, *RUNS[:1], cwd=project)
    slurm.run("scancel", slurm.wait_for("run_traditional", "RUNNING", project))
    told, _ = call.communicate(timeout=PATIENCE_S)
    assert call.returncode != 0
    assert re.search(
        r"^run_traditional tiny hf-batch mine base: job \d+ of SLURM was cancelled; run the same", told, re.M
    )


def test_the_same_command_goes_on_and_measures_alone(slurm: Slurm, project: Path) -> None:
    behave(project)
    done = slurm.run(*CLUSTER, *RUNS, cwd=project)
    assert done.returncode == 0, done.stderr
    jobs = ran(project)
    assert max(Counter(job["output"] for job in jobs).values()) == 1
    measured = [job for job in jobs if job["measures"]]
    assert sorted(job["rule"] for job in measured) == ["run_traditional", "run_vllm"]
    assert {job["threads"] for job in measured} == {slurm.cpus}
    assert {job["SLURM_STEP_GPUS"] for job in measured} == {"0"}
    assert [job["threads"] for job in jobs if job["rule"] == "make_workload"] == [1]
    on_nodes = [job for job in jobs if "SLURM_JOB_ID" in job]
    for job in measured:
        beside = [other for other in on_nodes if other["begun"] < job["ended"] and other["ended"] > job["begun"]]
        assert beside == [job]


@pytest.mark.parametrize(
    ("cluster", "device", "told"),
    [
        ({"rules": {"run_vllm": {"cpus": 3}}}, "cpu", "--config: cluster.rules.run_vllm.cpus: 3 CPUs, but no node of"),
        ({"partition": "mian"}, "cpu", "--config: cluster.partition: mian is unknown to SLURM; did you mean main?"),
        ({"partition": "side"}, "cuda", "config.yaml: gpus: 1 for a run, but no node of partition side that is up has"),
    ],
)
def test_what_no_node_can_meet_is_said_at_once(
    slurm: Slurm, project: Path, cluster: dict, device: str, told: str
) -> None:
    before = len(slurm.jobs())
    done = slurm.run(*CLUSTER, *RUNS, "--config", f"cluster={cluster}", f"device={device}", cwd=project)
    assert done.returncode == 1
    assert done.stderr.startswith(told)
    assert done.stderr.count("\n") == 1
    assert len(slurm.jobs()) == before


def test_a_job_beyond_its_time_names_the_key(overdue: subprocess.Popen) -> None:
    told, _ = overdue.communicate(timeout=PATIENCE_S)
    assert overdue.returncode != 0
    line = r"^make_workload tiny mine: SLURM ended job \d+ at its time limit; raise cluster.rules.make_workload.runtime"
    assert len(re.findall(line, told, re.M)) == 1
