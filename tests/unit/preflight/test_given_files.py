"""The files that a call of Snakemake names are read before Snakemake does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from builders.places import ROOT
from builders.refusals import refused

from kvbench.preflight.given_files import check_given_files, given_files


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ([], []),
        (["--cores", "1", "all"], []),
        (["--configfile", "a", "b", "--cores", "1"], ["a", "b"]),
        (["--configfiles", "a", "--", "x"], ["a"]),
        (["--configfile=a", "x"], ["a"]),
        (["--config", "seed=1", "--configfile", "a", "--configfile", "b"], ["a", "b"]),
    ],
)
def test_which_files_are_given(arguments: list[str], files: list[str]) -> None:
    assert given_files(arguments) == files


def test_a_profile_names_files_too() -> None:
    profile = str(ROOT / "profiles/gpu")
    assert given_files(["--workflow-profile", profile]) == ["config.yaml", "config/gpu.yaml"]
    assert given_files(["--profile", str(ROOT / "profiles/slurm")]) == []
    assert given_files(["--profile", "nowhere"]) == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a: [\n", "line 2: not valid YAML .*"),
        ("a: 1\n".encode("utf-16"), "line 1: UTF-16 .*"),
        (b"a: &x [*x]\n", "line 1: a value contains itself; .*"),
        (b"- a\n", "the file is not a mapping; write lines of key: value"),
        (b"", "the file is not a mapping; write lines of key: value"),
        (b"__use_yte__: true\n", "__use_yte__: Snakemake would run the code in this file; remove the key"),
    ],
)
def test_a_file_that_snakemake_could_not_name_is_refused(tmp_path: Path, content: bytes, line: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with refused(rf"^{path}: {line}$"):
        check_given_files(["--configfile", str(ROOT / "config.yaml"), str(path)])
    script = [sys.executable, str(ROOT / "scripts/check_files.py"), "--configfile", str(path)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


def test_settings_that_snakemake_could_not_read_are_refused() -> None:
    check_given_files(["--config", "seed=1", "runs=[]", "--cores", "1", "--config=device=cpu"])
    for option in ("--config", "-C"):
        with refused("^--config: line 1: 2026-13-01 cannot be read .*; write it in quotes$"):
            check_given_files([option, "seed=1", "device=2026-13-01"])
    with refused(r"^--config: line 1: a value contains itself; .*"):
        check_given_files(["--config=device=&x [*x]"])


def test_make_checks_the_files_of_every_run() -> None:
    """Each target that gives ARGS to Snakemake checks the same arguments before."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    runs = [number for number, line in enumerate(lines) if "snakemake --cores $(CORES)" in line and line[0] == "\t"]
    assert len(runs) == 3
    for number in runs:
        before, _, arguments = lines[number - 1].partition("check_files.py ")
        assert before.endswith(".venv/bin/python scripts/")
        assert lines[number].endswith(arguments)
