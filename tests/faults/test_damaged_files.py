"""Files of a finished pipeline that are damaged, lost or replaced: what the next call says, and that the mend works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from builders.faulty import REQUEST, run_file
from builders.flipped import flip_bits
from builders.tiny_overlay import tiny_overlay
from builders.tree import copy_project, planned, snakemake

from kvbench.config.paths import SUMMARISED
from kvbench.errors import UserError
from kvbench.provenance import recording
from kvbench.provenance.manifest import read_all

pytestmark = pytest.mark.engine
OVERLAY = ("--configfile", "own.yaml")
AGAIN = "delete it and run the same command again"
REQUESTS, KV = (run_file("hf-batch", f"{name}.parquet") for name in ("requests", "kv"))
FIGURE = "results/figures/tiny/mine/throughput.svg"
TABLE = "results/tables/throughput.csv"
FLIPS = 400


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished pipeline with one run, in a folder that no test changes."""
    tree = copy_project(tmp_path_factory.mktemp("damaged") / "tree")
    (tree / "my.jsonl").write_text(REQUEST * 4)
    overlay = yaml.safe_load(tiny_overlay("my.jsonl"))
    overlay["runs"][0]["engines"] = ["hf-batch"]
    base = yaml.safe_load((tree / "config.yaml").read_text())
    overlay |= {name: dict.fromkeys(base[name]) for name in ("capacity", "replays")} | {"figures": {"formats": ["svg"]}}
    (tree / "own.yaml").write_text(yaml.safe_dump(overlay))
    done = snakemake(tree, *OVERLAY, "--cores", "all")
    assert done.returncode == 0, done.stderr
    return tree


@pytest.fixture
def finished(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished pipeline, in which the test works."""
    tree = Path(shutil.copytree(made, tmp_path / "tree"))
    monkeypatch.chdir(tree)
    return tree


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def header_only(path: Path) -> None:
    path.write_text(path.read_text().splitlines()[0] + "\n")


def replaced(path: Path) -> None:
    path.write_text("{}")


def last_lines(tree: Path, *arguments: str, code: int = 1) -> list[str]:
    done = snakemake(tree, *OVERLAY, *arguments)
    assert done.returncode == code, done.stderr
    return [line for line in done.stderr.splitlines() if not line.startswith("Using ")]


@pytest.mark.parametrize(
    ("damage", "name", "rule"),
    [
        (emptied, FIGURE, "plot_throughput"),
        (cut, "results/report.html", "make_report"),
        pytest.param(flipped, REQUESTS, "run_traditional", marks=pytest.mark.long),
        pytest.param(emptied, KV, "run_traditional", marks=pytest.mark.long),
        pytest.param(header_only, TABLE, "summarise_runs", marks=pytest.mark.long),
        pytest.param(replaced, "results/environment.json", "check_environment", marks=pytest.mark.long),
        pytest.param(cut, "results/config.yaml", "write_config", marks=pytest.mark.long),
        pytest.param(cut, "results/workloads/tiny/mine.parquet", "make_workload", marks=pytest.mark.long),
        pytest.param(replaced, "resources/models/tiny/model.json", "prepare_model", marks=pytest.mark.long),
        pytest.param(replaced, "resources/models/tiny/model/config.json", "prepare_model", marks=pytest.mark.long),
    ],
)
def test_a_damaged_file(finished: Path, outcome, damage: Callable[[Path], None], name: str, rule: str) -> None:
    """The call ends before anything runs; deleted as told, the file is made again."""
    damage(finished / name)
    [told] = last_lines(finished)
    assert told.removeprefix(f"{finished}/").startswith(f"{name} is not what {rule} wrote (")
    assert told.endswith(f"); {AGAIN}")
    (finished / name).unlink()
    assert rule in {job for job, _ in planned(finished, *OVERLAY)}
    outcome(f"{name}: {damage.__name__.replace('_', ' ')}", told.removeprefix(f"{finished}/"), "nothing ran")


def test_a_deleted_figure_and_page_are_made_again(finished: Path, outcome) -> None:
    before = {name: (finished / name).read_bytes() for name in (FIGURE, "results/report.html")}
    for name in before:
        (finished / name).unlink()
    last_lines(finished, code=0)
    assert (finished / FIGURE).read_bytes() == before[FIGURE]
    assert (finished / "results/report.html").stat().st_size == len(before["results/report.html"])
    outcome(f"{FIGURE} and results/report.html deleted", "", "both as before")


def test_each_input_of_each_job_is_checked(finished: Path, outcome) -> None:
    """A file that is damaged while a call runs stops the jobs that read it."""
    manifests = read_all()
    made_by = {path: one.rule for one in manifests for path in one.outputs}
    read = sorted({path for one in manifests for path in one.inputs} & set(made_by))
    assert {REQUESTS, KV, TABLE, FIGURE, "results/environment.json", "results/config.yaml"} <= set(read)
    refused = 0
    for path in read:
        for damage in (emptied, cut, flipped):
            content = Path(path).read_bytes()
            damage(Path(path))
            with pytest.raises(UserError, match=rf"^{re.escape(path)} is not what {made_by[path]} wrote \(.*; {AGAIN}"):
                recording.check_inputs([path])
            Path(path).write_bytes(content)
            refused += 1
    outcome(
        "an input of a job emptied, cut or with a flipped bit while a call runs",
        f"… is not what … wrote (…); {AGAIN}",
        f"refused in {refused} of {3 * len(read)} cases",
    )


def test_flipped_bits_of_a_run(finished: Path, outcome) -> None:
    """Readers refuse them or read equal data, where no manifest is at hand; with it all are refused."""
    found = flip_bits(finished / REQUESTS, FLIPS)
    assert found["different"] == found["other error"] == 0
    counts = f"{found['refused']} refused, {found['equal']} read with equal data, {found['different']} with other data"
    outcome(f"{FLIPS} times one bit of requests.parquet flipped, without a manifest", "… not valid Parquet (…)", counts)


def test_a_copy_and_a_touch_of_all_files_are_no_change(finished: Path, outcome) -> None:
    """`shutil.copytree` of the fixture keeps time stamps; here they are all new, also those of the model."""
    for path in [*finished.glob("results/**/*"), *finished.glob("resources/**/*")]:
        os.utime(path)
    assert "Nothing to be done" in "\n".join(last_lines(finished, code=0))
    outcome("new time stamps of all files", "", "nothing to be done")


@pytest.mark.parametrize("arguments", [("--touch",), ("--unlock",), ("--cleanup-metadata", FIGURE)])
@pytest.mark.long
def test_calls_that_run_no_job_do_not_look(finished: Path, arguments: tuple[str, ...]) -> None:
    emptied(finished / FIGURE)
    last_lines(finished, *arguments, code=0)


def verify(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(folder / "scripts/verify.py"), *arguments]
    own = {**os.environ, "PYTHONPATH": str(folder / "scripts")}
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=300, check=False)


def test_verify(finished: Path, outcome) -> None:
    """A finished pipeline follows from what is there; damage, loss and other code are told with the file."""
    done = verify(finished)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].split() == ["files", "ok"]
    flipped(finished / REQUESTS)
    (finished / FIGURE).unlink()
    code = finished / "scripts/kvbench/figures/memory.py"
    code.write_text(code.read_text() + "\nEDITED = True\n")
    done = verify(finished)
    assert done.returncode == 1
    assert f"{REQUESTS}: changed (its content has changed); it is not what its rule wrote; {AGAIN}" in done.stdout
    assert f"{FIGURE}: missing; run the same command again" in done.stdout
    assert "results/figures/tiny/mine/memory.svg: stale code; run the same command again" in done.stdout
    more = f"attribution.csv and {len(SUMMARISED) - 1} more of summarise_runs"
    assert f"results/tables/{more}: stale inputs ({REQUESTS} is" in done.stdout
    outcome("`make verify` after a flipped bit, a lost figure and an edit of code", "", "each told, exit code 1")


@pytest.mark.long
def test_verify_of_a_copy_elsewhere(finished: Path, tmp_path: Path) -> None:
    """Results alone, under another name: what is not there cannot be compared, and is not missed."""
    shutil.copytree(finished / "results", tmp_path / "copied", copy_function=shutil.copy)
    done = verify(finished, str(tmp_path / "copied"))
    assert done.returncode == 0, done.stdout + done.stderr
    emptied(tmp_path / "copied/tables/throughput.csv")
    done = verify(finished, str(tmp_path / "copied"))
    assert done.returncode == 1
    assert f"{TABLE}: changed (0 bytes instead of" in done.stdout


@pytest.mark.long
def test_results_of_elsewhere_are_looked_at_too(finished: Path, outcome) -> None:
    flipped(finished / REQUESTS)
    again = [sys.executable, "scripts/report_again.py", "--cores", "1"]
    own = {**os.environ, "PYTHONPATH": str(finished / "scripts")}
    done = subprocess.run(again, cwd=finished, env=own, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1]
    assert told.startswith(
        f"{REQUESTS} is not what run_traditional wrote (its content has changed); copy it again from"
    )
    outcome("`make report` with a flipped bit in a run's file", told, "nothing ran")
