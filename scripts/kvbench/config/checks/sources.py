"""The model folders and files that runs need exist, and each workload suits its model."""

from __future__ import annotations

import os
import re

from kvbench.config.runs import Plan
from kvbench.config.wording import Invalid, quote

WILDCARD = re.compile(r"\{\s*\w+\s*(,.*)?\}", re.DOTALL)
TEXT_KINDS = ("guide",)


def check_sources(config: dict, plan: Plan) -> None:
    """Raise Invalid for a missing folder or file, or for a workload of text on a model without a tokenizer."""
    for number, run, _ in plan:
        model, workload = config["models"][run.model], config["workloads"][run.workload]
        if model["source"] == "path" and not os.path.isdir(model["path"]):
            raise Invalid(f"models.{run.model}.path", f"no folder {quote(model['path'])}; give one that exists")
        if workload["kind"] == "user":
            check_file(f"workloads.{run.workload}.file", workload["file"])
        if model["source"] == "shape" and workload["kind"] in TEXT_KINDS:
            remedy = "use a workload without text, such as mixed, or another model"
            raise Invalid(
                f"runs[{number}].workloads", f"{run.workload} contains text, but {run.model} has no tokenizer; {remedy}"
            )


def check_file(at: str, path: str) -> None:
    """The user's file exists, and its path contains no Snakemake wildcard, since Snakemake cannot escape one."""
    if not os.path.isfile(path):  # false too for a name that no file system can hold
        raise Invalid(at, f"no file {quote(path)}; give one that exists")
    if found := WILDCARD.search(path):
        raise Invalid(at, f"Snakemake would read {found[0]} in {quote(path)} as a wildcard; rename it without braces")
