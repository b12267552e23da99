"""Jobs of this folder on a cluster: those of an earlier call, and what the terminal says of one that failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.machine import slurm

# The plugin's folder for what jobs print; before its first job there is none.
LOGS = Path(".snakemake/slurm_logs")
FAILED = re.compile(r"SLURM-job '(?P<number>[\d_]+)' failed.*? SLURM status is: '(?P<state>\w+)'")
REFUSED = re.compile(r"SLURM sbatch failed\. The error message was '(?P<told>.*?)'", re.DOTALL)
KEYS = {
    "TIMEOUT": ("at its time limit", "runtime_min"),
    "OUT_OF_MEMORY": ("because it took more memory than it asked for", "memory_gib"),
}
# What SLURM's watcher prints into the job's log where it ends one itself, or the system's kernel did.
OVER_MEMORY = re.compile(r"slurmstepd\S* error: .*([Ee]xceeded job memory limit|oom[_-]kill event)")
OTHERWISE = {
    "CANCELLED": "was cancelled; run the same command again to go on",
    "NODE_FAIL": "lost its node; run the same command again to go on",
}


def refuse_running(folder: Path) -> None:
    """UserError if jobs of an earlier call are queued or run in `folder`: it would run them a second time."""
    if found := running(folder):
        told = ", ".join(f"{job.number} ({job.what}, {job.state})" for job in found[:3])
        more = f" and {len(found) - 3} more" if found[3:] else ""
        raise UserError(f"{folder}: cluster jobs of an earlier call: {told}{more}; wait for them, or run make cancel")


def running(folder: Path) -> list[slurm.ClusterJob]:
    """The folder's jobs that have not ended; none where SLURM was never used, or does not answer."""
    if (folder / LOGS).is_dir() and slurm.is_there():
        with suppress(UserError):
            return slurm.jobs_in(folder)
    return []


def told(record: Mapping[str, Any]) -> str | None:
    """The line for a job of SLURM that failed, from the record of Snakemake's log; None for any other.

    It is the job's own line where there is one, since the job printed it where nobody looks.
    """
    message, rule, logs = record.get("rule_msg") or "", record.get("rule_name") or "", record.get("log") or []
    if found := REFUSED.match(message):
        return f"{rule}: SLURM refused the job: {' '.join(found['told'].split())}; see `cluster` in config.yaml"
    if not (found := FAILED.match(message)):
        return None
    see = f"see {', '.join(logs)}"
    printed = _printed(logs[-1:])
    state = "OUT_OF_MEMORY" if any(map(OVER_MEMORY.match, printed)) else found["state"]
    if state in KEYS:
        why, key = KEYS[state]
        mend = f"raise cluster.rules.{rule}.{key} in config.yaml"
        return f"{_label(rule, logs)}: SLURM ended job {found['number']} {why}; {mend}; {see}"
    own = [line for line in printed if re.match(rf"{rule}( [^:]*)?: ", line)]
    if state in OTHERWISE or not own:
        what = OTHERWISE.get(state, f"ended as {state}")
        return f"{_label(rule, logs)}: job {found['number']} of SLURM {what}; {see}"
    return f"{own[-1]} (job {found['number']} of SLURM; {see})"


def _label(rule: str, logs: list[str]) -> str:
    """The rule, with the wildcards that are in the path of its log."""
    return " ".join([rule, *Path(logs[0]).with_suffix("").parts[2:]]) if logs else rule


def _printed(files: list[str]) -> list[str]:
    """The lines that a job printed; none where they cannot be read."""
    with suppress(OSError):
        return [line for file in files for line in Path(file).read_text(errors="replace").splitlines()]
    return []
