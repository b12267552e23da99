"""What SLURM says of its nodes, its settings and a folder's jobs, from its own programs."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kvbench.errors import UserError

# Begins the names of all jobs of this project: profiles/slurm.
PREFIX = "kvbench_"
# States in which a node will take jobs, at once or later.
UP = ("idle", "mixed", "allocated", "completing", "planned", "reserved")
ANSWER_S = 60.0
DAY_MIN, HOUR_MIN = 24 * 60, 60


@dataclass(frozen=True)
class Node:
    """A node in a partition: what it has, and whether it takes jobs; `limit_min` is infinite without a limit."""

    name: str
    partition: str
    is_default: bool
    cpus: int
    memory_mb: int
    gpus: int
    limit_min: float
    is_up: bool


@dataclass(frozen=True)
class ClusterJob:
    """A job that is queued or runs."""

    number: str
    state: str
    what: str  # the rule and its wildcards


def is_there() -> bool:
    """Whether this machine can ask a SLURM."""
    return shutil.which("squeue") is not None


def nodes() -> list[Node]:
    """All nodes, once for each of their partitions; UserError if SLURM does not answer."""
    found = map(_node, _ask("sinfo", "--noheader", "--Node", "--format=%N|%P|%c|%m|%G|%l|%T").splitlines())
    return list(dict.fromkeys(found))


def settings() -> dict[str, str]:
    """SLURM's settings by name, such as `MinJobAge`."""
    lines = _ask("scontrol", "show", "config").splitlines()
    return {name.strip(): value.strip() for name, sign, value in (line.partition("=") for line in lines) if sign}


def jobs_in(folder: Path) -> list[ClusterJob]:
    """This user's jobs of the project that work in `folder` and have not ended."""
    listing = _ask("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%T|%j|%Z|%k")
    rows = (line.split("|", 4) for line in listing.splitlines())
    here = os.path.realpath(folder)
    return [
        ClusterJob(number, state.lower(), what.removeprefix("rule_").replace("_wildcards_", " "))
        for number, state, name, place, what in rows
        if name.startswith(PREFIX) and os.path.realpath(place) == here
    ]


def cancel(numbers: list[str]) -> None:
    """Cancel jobs; UserError if SLURM does not answer."""
    _ask("scancel", *numbers)


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{command[0]}: {error}; run this on a login node of a SLURM cluster") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"ended with code {done.returncode}"
        raise UserError(f"{command[0]}: {said}; ask again when SLURM answers, or run this on its login node")
    return done.stdout


def _node(line: str) -> Node:
    name, partition, cpus, memory, resources, limit, state = (part.strip() for part in line.split("|"))
    return Node(
        name,
        partition.rstrip("*"),
        partition.endswith("*"),
        int(cpus.rstrip("+")),
        int(memory.rstrip("+")),
        gpus_in(resources),
        minutes(limit),
        re.match(r"[a-z]*", state)[0] in UP and not state.endswith("*"),
    )


def gpus_in(resources: str) -> int:
    """The GPUs among generic resources, such as `gpu:a100:4(S:0-1),shard:8`."""
    found = re.findall(r"(?:^|,)gpu(?::[^:,()]+)?:(\d+)", re.sub(r"\([^)]*\)", "", resources))
    return sum(map(int, found))


def minutes(limit: str) -> float:
    """SLURM's `days-hours:minutes:seconds`, without what is zero on its left, in minutes; infinity for `infinite`."""
    if not limit[:1].isdigit():
        return math.inf
    days, _, clock = limit.rpartition("-")
    hours, minute, second = ([0, 0] + [int(part) for part in clock.split(":")])[-3:]
    return int(days or 0) * DAY_MIN + hours * HOUR_MIN + minute + second / 60
