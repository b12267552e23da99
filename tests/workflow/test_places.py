"""Results in another folder, a clone whose path needs quotes: some with real scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.tiny_overlay import tiny_overlay
from builders.tree import contents, copy_project, quick_project, read_config, snakemake, write_config

from kvbench.files import read_json

REQUESTS = '{"prompt_token_ids": [5, 6, 7], "output_tokens": 3}\n' * 3


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_project(tmp_path_factory.mktemp("places") / "tree")


def test_results_lie_in_another_folder(quick: Path, tmp_path: Path) -> None:
    """The user's file is relative to the results' folder, the overlay to the clone; only the former is written to."""
    (tmp_path / "my requests.jsonl").write_text(REQUESTS)
    (quick / "own.yaml").write_text(tiny_overlay("my requests.jsonl"))
    before = contents(quick)
    call = ("--directory", str(tmp_path), "--configfile", "own.yaml")
    done = snakemake(quick, *call)
    assert done.returncode == 0, done.stderr
    assert contents(quick) == before
    assert {"results", "resources", "logs", "ran.txt"} <= {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "results/tables/claims.csv").is_file()
    assert "Nothing to be done" in snakemake(quick, *call).stderr


def test_a_folders_own_configuration_holds(quick: Path, tmp_path: Path) -> None:
    settings = read_config(quick) | {"runs": [], "capacity": {}, "speed": 1}
    write_config(tmp_path, settings)
    done = snakemake(quick, "--directory", str(tmp_path))
    assert done.stderr.splitlines()[-1].startswith("config.yaml: speed: unknown key; ")


@pytest.mark.parametrize("name", ["it's a clone"])
def test_engines_run_in_a_folder_whose_name_needs_quotes(tmp_path: Path, name: str) -> None:
    """Real scripts, run by a Python behind a link, as `make setup` makes it in such a folder."""
    tree = copy_project(tmp_path / name)
    (tree / ".venv").symlink_to(Path(sys.executable).parents[1].resolve())
    (tree / "my requests.jsonl").write_text(REQUESTS)
    (tree / "own.yaml").write_text(tiny_overlay("my requests.jsonl"))
    runs = [f"results/runs/tiny/{engine}/mine/base/run.json" for engine in ("hf-batch", "vllm")]
    command = [tree / ".venv/bin/python", "-m", "snakemake", "--configfile", "own.yaml", "--", *runs]
    done = subprocess.run(command, cwd=tree, env=os.environ, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    assert [read_json(tree / run)["engine"] for run in runs] == ["hf-batch", "vllm"]
