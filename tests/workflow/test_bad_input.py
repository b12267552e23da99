"""Bad input through real Snakemake: exit code 1, one line that names key or file, nothing written, results intact."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tree import copy_project, snakemake

# What Snakemake says of itself before it has read anything of ours.
PREAMBLE = re.compile(r"Using workflow specific profile .*|Config file config.yaml is (extended|replaced) .*")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = copy_project(tmp_path_factory.mktemp("bad") / "tree")
    (tree / "results/tables").mkdir(parents=True)
    (tree / "results/tables/throughput.csv").write_text("earlier\n")
    return tree


def contents(tree: Path) -> dict[str, bytes]:
    """All files but Python's and Snakemake's own."""
    own = {".snakemake", "__pycache__"}
    return {str(path): path.read_bytes() for path in tree.rglob("*") if path.is_file() and not own & set(path.parts)}


def check_refused(tree: Path, line: str, *arguments: str) -> None:
    before = contents(tree)
    done = snakemake(tree, *arguments)
    assert done.returncode == 1
    said = [text for text in (done.stdout + done.stderr).splitlines() if text and not PREAMBLE.fullmatch(text)]
    assert len(said) == 1, said
    assert re.fullmatch(line, said[0])
    assert contents(tree) == before


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("repeats=abc", r'--config: repeats: "abc" is not allowed; write a whole number .*'),
        ("repeet=3", r"--config: repeet: unknown key; did you mean repeats\? .*"),
        (
            "runs=[{models: [smollm2-135m], workloads: [guide], engines: [vlm]}]",
            r"--config: runs\[0\].eng.*vlm.*",
        ),
        (
            "replays={x: {workload: mixed, requests: 9, pool_slots: 10}}",
            r"--config: replays\.x\.pool_slots: under reserve-max one request gets at most 8 of 10, .*",
        ),
    ],
)
def test_bad_settings_on_the_command_line(tree: Path, setting: str, line: str) -> None:
    check_refused(tree, line, "--config", setting)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("runs: [", r"config.yaml: line \d+: not valid YAML .*"),
        ("seed: 1\n", r"config.yaml: line \d+: key seed is written twice; keep one"),
        ("speed: 1\n", r"config.yaml: speed: unknown key; did you mean seed\? .*"),
    ],
)
def test_a_bad_config_file(tree: Path, text: str, line: str) -> None:
    path = tree / "config.yaml"
    good = path.read_text()
    path.write_text(good + text)
    try:
        check_refused(tree, line)
    finally:
        path.write_text(good)


def test_a_bad_overlay_is_named(tree: Path) -> None:
    (tree / "own.yaml").write_text("workloads: {mixed: {kind: user, file: nowhere.jsonl}}\n")
    check_refused(tree, r"own.yaml: workloads.mixed.* (unknown key|no file).*", "--configfile", "own.yaml")
