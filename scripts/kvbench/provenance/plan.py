"""What the jobs of a configuration would read and write with the code, settings and packages of now."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kvbench.files import read_json, write_text
from kvbench.provenance.manifest import digests_of

WANTED = "KVBENCH_PLAN"  # in the environment of a dry run: the file to which it writes its plan


@dataclass(frozen=True)
class Planned:
    """A job as it would be: the same digests as in a `Manifest`. `inputs` are those whose change makes it stale."""

    rule: str
    wildcards: tuple[str, ...]
    code: str
    params: dict[str, str]
    packages: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, job: Any) -> Planned:
        """Of a job of Snakemake's plan."""
        params = dict(job.params.items())
        return cls(
            rule=job.rule.name,
            wildcards=tuple(map(str, job.wildcards)),
            code=params.get("code", ""),
            params=digests_of(params),
            packages=tuple(params.get("packages", ())),
            inputs=tuple(sorted({str(file) for file in job.input if not file.is_ancient})),
            outputs=tuple(sorted(set(map(str, job.output)))),
        )


def is_wanted() -> bool:
    """Whether this call is to write its plan."""
    return WANTED in os.environ


def write_plan(jobs: Iterable[Any]) -> None:
    """Write the jobs of Snakemake's plan, but for those that only ask for files, to the file that is wanted."""
    found = [asdict(Planned.of(job)) for job in jobs if job.output]
    write_text(os.environ[WANTED], json.dumps(found))


def read_plan(path: str | Path) -> list[Planned]:
    """The jobs that a dry run has written."""
    lists = ("wildcards", "packages", "inputs", "outputs")
    return [Planned(**{**one, **{name: tuple(one[name]) for name in lists}}) for one in read_json(path)]
