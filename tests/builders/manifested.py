"""A job as its script sees it, with files on the disk, and the manifest that it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kvbench.provenance import recording


def job_of(rule: str, *wildcards: str, given: tuple[str, ...] = (), made: Mapping[str, str], **params: Any) -> Any:
    """`snakemake` of a job that reads the files `given` and writes the texts `made`."""
    params = {"code": "c0de", **params}
    return SimpleNamespace(rule=rule, wildcards=wildcards, input=given, output=list(made), params=params)


def run_job(rule: str, *wildcards: str, given: tuple[str, ...] = (), made: Mapping[str, str], **params: Any) -> None:
    """Do the work of a job in the current folder: check the inputs, write the outputs, then the manifest."""
    job = job_of(rule, *wildcards, given=given, made=made, **params)
    inputs = recording.begin(job)
    for name, text in made.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    recording.end(job, inputs)
