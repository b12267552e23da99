"""A copy of the project with stub scripts that write outputs at once; rules, parameters and digests are real."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from builders.places import ROOT

PATIENCE_S = 800  # on a machine that others use too; no call needs a tenth of it on one that is idle
PARTS = (
    "CITATION.cff",
    "Snakefile",
    "config.yaml",
    "config",
    "rules",
    "workflow",
    "scripts",
    "schemas",
    "captions",
    "profiles",
    "envs",
    "benchmarks",
)

# Prepended to each script; it exits before the original code, which stays because its imports determine the digest.
# Outputs depend on parameters, as real ones do. A rule named in fail.txt fails.
QUICK = """
import json, pathlib
failing = pathlib.Path("fail.txt")
if failing.exists() and snakemake.rule in failing.read_text():
    raise SystemExit(1)
with open("ran.txt", "a") as ran:
    print(snakemake.rule, snakemake.output[0], file=ran)
for name in snakemake.output:
    pathlib.Path(name).write_text(json.dumps([name, dict(snakemake.params.items())], default=str))
raise SystemExit(0)
"""


def copy_project(target: Path) -> Path:
    """Copy the project files that Snakemake reads to `target`, with what is remembered of them."""
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("*.pyc"))
        elif (ROOT / name).exists():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def make_quick(tree: Path) -> Path:
    """Stub each script in `tree` so that it only writes its outputs."""
    for script in (tree / "scripts").glob("*.py"):
        source = script.read_text()
        script.write_text(QUICK + source.replace("from __future__ import annotations\n", ""))
    return tree


def quick_project(target: Path) -> Path:
    """Copy the project to `target` with stub scripts."""
    return make_quick(copy_project(target))


def read_config(tree: Path) -> dict[str, Any]:
    """Return the config.yaml of a copy."""
    return yaml.safe_load((tree / "config.yaml").read_text())


def write_config(tree: Path, settings: dict[str, Any]) -> None:
    """Write the settings to config.yaml in a copy or a results folder."""
    (tree / "config.yaml").write_text(yaml.safe_dump(settings))


def snakemake(tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run snakemake in `tree`."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=tree,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def stale(tree: Path, **environment: str) -> Counter[str]:
    """Count the jobs snakemake would run per rule, without `all`."""
    return Counter(rule for rule, _ in planned(tree, **environment))


def ran(tree: Path, **environment: str) -> Counter[str]:
    """Run snakemake and count the jobs it ran per rule."""
    (tree / "ran.txt").unlink(missing_ok=True)
    done = snakemake(tree, **environment)
    assert done.returncode == 0, done.stderr
    return Counter(line.split()[0] for line in (tree / "ran.txt").read_text().splitlines())


def planned(tree: Path, *arguments: str, **environment: str) -> list[tuple[str, str]]:
    """Return the rule and first output of each job snakemake would run, without `all`."""
    jobs = described(tree, *arguments, **environment)
    return [(rule, files["output"][0]) for rule, files in jobs if rule != "all"]


def described(tree: Path, *arguments: str, **environment: str) -> list[tuple[str, dict[str, list[str]]]]:
    """Return the rule, inputs and outputs of each job snakemake would run."""
    done = snakemake(tree, "-n", "--quiet", "host", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    blocks = re.split(r"^(?:local)?(?:rule|checkpoint) (\w+):$", done.stdout + done.stderr, flags=re.M)[1:]
    lists = [dict(re.findall(r"^    (input|output): (.+)$", body, re.M)) for body in blocks[1::2]]
    files = [{kind: names.split(", ") for kind, names in one.items()} for one in lists]
    return list(zip(blocks[::2], files, strict=True))


def contents(tree: Path) -> dict[str, bytes]:
    """Return the contents of all files except those in __pycache__ and .snakemake, and manifests.

    Snakemake touches what a job has written, so the next call brings the time stamps in manifests up to date.
    """
    own = {".snakemake", "__pycache__", "manifests"}
    return {str(path): path.read_bytes() for path in tree.rglob("*") if path.is_file() and not own & set(path.parts)}
