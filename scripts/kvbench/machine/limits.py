"""CPUs and memory that this process may use: limits of cgroups and what SLURM gave the job are respected."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


def usable_cpus(
    affinity: int | None = None, quota: float | None = None, environment: Mapping[str, str] = os.environ
) -> int:
    """CPUs by affinity, or fewer if a cgroup's quota or SLURM says so; at least 1."""
    affinity = _affinity() if affinity is None else affinity
    quota = cgroup_cpu_quota() if quota is None else quota
    return max(1, math.ceil(min(affinity, quota, slurm_cpus(environment))))


def slurm_cpus(environment: Mapping[str, str] = os.environ) -> float:
    """CPUs that SLURM gave this task, which not every cluster enforces; infinity outside of a job."""
    inside = "SLURM_JOB_ID" in environment
    told = environment.get("SLURM_CPUS_PER_TASK") or environment.get("SLURM_CPUS_ON_NODE") or ""
    return int(told) if inside and told.isdigit() else math.inf


def _affinity() -> int:
    """CPUs that this process may be scheduled on: all of them on macOS, which has no affinity."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cgroup_cpu_quota(folders: Iterable[Path] | None = None) -> float:
    """CPUs that the tightest cgroup above this process allows; infinity without a limit."""
    quotas = [math.inf]
    for folder in cgroup_folders() if folders is None else folders:
        text = (
            _read(folder / "cpu.max") or f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}"
        )
        quota, _, period = text.strip().partition(" ")
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    return min(quotas)


def memory_total_bytes(folders: Iterable[Path] | None = None) -> int:
    """Bytes of memory that this process may use: the machine's, or the tightest cgroup limit above it."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    names = ("memory.max", "memory.limit_in_bytes")
    texts = [_read(folder / name) for folder in (cgroup_folders() if folders is None else folders) for name in names]
    return min([machine, *(int(text) for text in texts if text.isdigit())])


def cgroup_folders() -> Iterator[Path]:
    """Folders of this process's cgroups and all their parents, for version 2 and for the controllers of version 1."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        inner = Path(path.lstrip("/"))
        yield from (Path("/sys/fs/cgroup", controllers, part) for part in [inner, *inner.parents])


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
