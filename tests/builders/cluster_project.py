"""A copy of the project whose scripts tell where, when and with what they ran, and misbehave where told to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from builders.tiny_overlay import tiny_overlay
from builders.tree import copy_project

OUTPUT_TOKENS = 6
REQUESTS = f'{{"prompt_token_ids": [1, 2, 3, 4, 5, 6, 7, 8], "output_tokens": {OUTPUT_TOKENS}}}\n' * 4
# Prepended to each script: jobs go through the real adapter, with its log, its warden and its line for a failure.
TELLING = """
import json, os, pathlib, time
from kvbench.adapter import job
from kvbench.errors import UserError
from kvbench.machine.threads import resolve_threads
with job(snakemake):
    asked = json.loads(pathlib.Path("behave.json").read_text()).get(snakemake.rule, {})
    begun = time.time()
    held = b"1" * (2**20 * asked.get("hold_mib", 0))
    time.sleep(asked.get("sleep_s", 0.1))
    if "fail" in asked:
        raise UserError(asked["fail"])
    for name in snakemake.output:
        pathlib.Path(name).write_text("{}" if name.endswith(".json") else name)
    names = ("SLURM_JOB_ID", "SLURMD_NODENAME", "SLURM_STEP_GPUS")
    told = {name: os.environ[name] for name in names if name in os.environ}
    told |= {"rule": snakemake.rule, "output": snakemake.output[0], "begun": begun, "ended": time.time()}
    told |= {"measures": "measure" in snakemake.resources.keys(), "threads": resolve_threads("auto", "cpu")}
    told |= {"missing": snakemake.params.get("missing"), "runs": len(snakemake.input.get("runs", []))}
    with open("ran.jsonl", "a") as ran:
        print(json.dumps(told), file=ran)
raise SystemExit(0)
"""


def cluster_project(target: Path, cluster: Mapping[str, object], *, real: bool = False, device: str = "cpu") -> Path:
    """Copy the project to `target`, with runs of the tiny model and a `cluster` section; `real`: with its scripts."""
    copy_project(target)
    for script in [] if real else (target / "scripts").glob("*.py"):
        if re.search(r"\(snakemake\b", text := script.read_text()):  # it is a rule's
            script.write_text(TELLING + text.replace("from __future__ import annotations\n", ""))
    (target / "requests.jsonl").write_text(REQUESTS)
    overlay = yaml.safe_load(tiny_overlay("requests.jsonl")) | {"cluster": dict(cluster), "device": device}
    (target / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    behave(target)
    return target


def behave(project: Path, **rules: Mapping[str, object]) -> None:
    """Let the jobs of a rule sleep (`sleep_s`), hold memory (`hold_mib`) or fail with a line (`fail`)."""
    (project / "behave.json").write_text(json.dumps(rules))


def ran(project: Path) -> list[dict]:
    """What the jobs that ended well told, in the order of their ends."""
    file = project / "ran.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
