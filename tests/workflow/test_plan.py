"""What needs no engine, where none is installed: `make plan` and `make report`. Also run in the plan flavour."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from builders.finished import finished
from builders.places import CONFIG, SCHEMA, SCRIPTS
from builders.secrets import SECRET, TOKENS, told_in
from builders.tiny_overlay import tiny_overlay
from builders.tree import copy_project, quick_project, snakemake
from builders.without_engines import hide_engines

from kvbench.config.settings import validate
from kvbench.files import read_json, read_table
from kvbench.preflight.engines import READ_ONLY
from kvbench.yaml_files import read_yaml

SMALL = """
capacity: {llama-2-7b-sharegpt: {requests: 6000}}
replays:
  opt-13b-alpaca: null
  opt-13b-sharegpt: {requests: 300, shared_prefix_tokens: 100, max_length: 2200, prefix_sharing: true, hit_rate: {}}
"""
COMMAND = "my $(touch canary);'`touch canary`\" requests.csv"  # a name that a shell would run


@pytest.fixture
def none(tmp_path: Path) -> dict[str, str]:
    return hide_engines(tmp_path / "none")


def test_plans_and_replays_are_made_without_an_engine(tmp_path: Path, none: dict[str, str]) -> None:
    """Real scripts: no model, no table of runs, no facts of engines, and the report and the terminal say so."""
    tree = copy_project(tmp_path / "tree")
    (tree / "own.yaml").write_text(SMALL)
    done = snakemake(tree, "--configfile", "config.yaml", "config/plan.yaml", "own.yaml", **none, **TOKENS)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert told_in(tree) == []
    tables = {path.name for path in (tree / "results/tables").iterdir()}
    assert tables == {"replays.csv", "hit_rates.csv", "capacity.csv", "kv_by_context.csv"}
    hits = read_table(tree / "results/tables/hit_rates.csv")
    assert hits["hit_tokens"].iloc[-1] == 299 * 96  # the common prefix in whole blocks of 16, for all but the first
    assert not (tree / "resources").exists()
    assert not (tree / "results/bandwidth.json").exists()
    assert set(read_table(tree / "results/tables/replays.csv")["scenario"]) == {"opt-13b-sharegpt"}
    assert read_json(tree / "results/environment.json")["device"] is None
    page = (tree / "results/report.html").read_text()
    assert "Nothing was measured" in page
    assert "Share of prompt tokens that a prefix cache finds again" in page
    assert "Methods paragraph" not in page
    told = done.stderr[done.stderr.index("Nothing was measured: runs is empty.") :].splitlines()
    assert told[1].startswith("Plan llama-2-7b-sharegpt, requests at once: reserve-max ")
    assert told[2].startswith("Replay opt-13b-sharegpt, requests at once: ")
    assert told[3] == "Report: results/report.html; plan: results/capacity.html; open it with: make serve"
    assert (tree / "results/capacity.html").is_file()


def test_no_shell_reads_the_name_of_a_file(tmp_path: Path, none: dict[str, str]) -> None:
    tree = copy_project(tmp_path / "tree")
    (tree / COMMAND).write_text("10,5\n20,6\n")
    (tree / "own.yaml").write_text(yaml.safe_dump({"replays": {"mine": {"file": COMMAND, "pool_slots": 4096}}}))
    record = "results/replays/mine/replay.json"
    done = snakemake(tree, "--configfile", "config.yaml", "own.yaml", "--", record, **none)
    assert done.returncode == 0, done.stderr
    assert read_json(tree / record)["requests"]["count"] == 2
    assert not (tree / "canary").exists()


def test_runs_are_refused_in_one_line_and_nothing_is_written(tmp_path: Path, none: dict[str, str]) -> None:
    tree = quick_project(tmp_path / "tree")
    done = snakemake(tree, **none)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert (
        "run_vllm: this environment has no engines; run `make setup FLAVOUR=cpu` or `make setup FLAVOUR=cuda`" in line
    )
    assert "Traceback" not in done.stderr
    assert not (tree / "results").exists()
    assert not (tree / "ran.txt").exists()


def test_the_report_of_copied_results_is_made_by_rules_that_only_read(tmp_path: Path, none: dict[str, str]) -> None:
    """Stub scripts. Neither the model, nor the user's file, nor Snakemake's records were copied."""
    tree = quick_project(tmp_path / "tree")
    shutil.copy2(SCRIPTS / "report_again.py", tree / "scripts")
    sections = yaml.safe_load(tiny_overlay("my requests.jsonl")) | {"figures": {"formats": ["svg"]}}
    del sections["models"]["smollm2-135m"]
    config = validate(read_yaml(CONFIG) | sections, SCHEMA, sources=False)
    copied = finished(tmp_path / "copied", config, "cpu")
    done = report_again(tree, copied, none)
    assert done.returncode == 0, done.stderr
    ran = {line.split()[0] for line in (copied / "ran.txt").read_text().splitlines()}
    assert ran <= set(READ_ONLY)
    assert {"summarise_runs", "check_parity", "plot_throughput", "make_report"} <= ran
    (copied / "ran.txt").unlink()
    with (tree / "scripts/plot_figure.py").open("a") as script:
        script.write("CHANGED = True\n")
    done = report_again(tree, copied, none)
    assert done.returncode == 0, done.stderr
    ran = {line.split()[0] for line in (copied / "ran.txt").read_text().splitlines()}
    assert {"plot_throughput", "make_report"} <= ran
    assert not {"summarise_runs", "check_parity"} & ran
    next((copied / "results/runs").rglob("kv.parquet")).unlink()
    done = report_again(tree, copied, none)
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if "kv.parquet: not found; " in line)
    assert "complete the run with `make run`, or copy all of results/; " in line
    assert done.stderr.endswith(f"{line}\n")


def test_results_are_verified_without_engines(tmp_path: Path, none: dict[str, str]) -> None:
    """Those of an earlier version have no manifests; a lost file is missing all the same."""
    tree = quick_project(tmp_path / "tree")
    shutil.copy2(SCRIPTS / "verify.py", tree / "scripts")
    sections = yaml.safe_load(tiny_overlay("my requests.jsonl"))
    del sections["models"]["smollm2-135m"]
    folder = finished(tmp_path / "copied", validate(read_yaml(CONFIG) | sections, SCHEMA, sources=False), "cpu")
    command, every = [sys.executable, "scripts/verify.py", str(folder)], {**os.environ, **none}
    done = subprocess.run(command, cwd=tree, env=every, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].split() == ["files", "ok", "missing", "unknown"]
    assert "results/found.txt and 1 more of make_report: missing; " in done.stdout
    assert "results/runs/tiny/vllm/mine/base/blocks.parquet and 5 more of run_vllm: unknown; " in done.stdout
    assert not list(folder.rglob("ran.txt"))


def report_again(tree: Path, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "scripts/report_again.py", "--cores", "2", "--directory", str(folder)]
    every = {**os.environ, **environment}
    return subprocess.run(command, cwd=tree, env=every, capture_output=True, text=True, timeout=300, check=False)
