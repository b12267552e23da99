"""A copy of the project whose scripts write their outputs at once, under the real rules, parameters and digests."""

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

PARTS = (
    "Snakefile",
    "config.yaml",
    "config",
    "rules",
    "scripts",
    "schemas",
    "captions",
    "profiles",
    "envs",
    "benchmarks",
)

# Run in place of what follows, whose imports stay for the digest. Outputs depend on parameters, as real ones do.
# A rule named in fail.txt fails.
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
    """The files of the project that Snakemake reads, in `target`."""
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (ROOT / name).exists():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def make_quick(tree: Path) -> Path:
    """Let each script of `tree` write its outputs and nothing else."""
    for script in (tree / "scripts").glob("*.py"):
        source = script.read_text()
        script.write_text(QUICK + source.replace("from __future__ import annotations\n", ""))
    return tree


def quick_project(target: Path) -> Path:
    """A copy of the project in `target` whose scripts do nothing but write."""
    return make_quick(copy_project(target))


def read_config(tree: Path) -> dict[str, Any]:
    """The configuration of a copy."""
    return yaml.safe_load((tree / "config.yaml").read_text())


def write_config(tree: Path, settings: dict[str, Any]) -> None:
    """Give a copy, or a folder of results, this configuration."""
    (tree / "config.yaml").write_text(yaml.safe_dump(settings))


def snakemake(tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Call snakemake in `tree`."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=tree,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def stale(tree: Path, **environment: str) -> Counter[str]:
    """How many jobs of each rule a call would run; `all` is not one."""
    return Counter(rule for rule, _ in planned(tree, **environment))


def ran(tree: Path, **environment: str) -> Counter[str]:
    """Call snakemake; how many jobs of each rule it ran."""
    (tree / "ran.txt").unlink(missing_ok=True)
    done = snakemake(tree, **environment)
    assert done.returncode == 0, done.stderr
    return Counter(line.split()[0] for line in (tree / "ran.txt").read_text().splitlines())


def planned(tree: Path, **environment: str) -> list[tuple[str, str]]:
    """Rule and first output of each job that a call would run."""
    done = snakemake(tree, "-n", "--quiet", "host", **environment)
    assert done.returncode == 0, done.stderr
    blocks = re.split(r"^(?:local)?(?:rule|checkpoint) (\w+):$", done.stdout + done.stderr, flags=re.M)[1:]
    jobs = zip(blocks[::2], blocks[1::2], strict=True)
    return [(rule, re.search(r"output: ([^\s,]+)", body)[1]) for rule, body in jobs if rule != "all"]


def contents(tree: Path) -> dict[str, bytes]:
    """All files but Python's and Snakemake's own."""
    own = {".snakemake", "__pycache__"}
    return {str(path): path.read_bytes() for path in tree.rglob("*") if path.is_file() and not own & set(path.parts)}
