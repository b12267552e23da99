"""The weights and files that runs need are there, and go together."""

from __future__ import annotations

import re
from pathlib import Path

from kvbench.config.runs import Plan
from kvbench.config.wording import Invalid, quote

WILDCARD = re.compile(r"\{\s*\w+\s*(,.*)?\}")
TEXT_KINDS = ("guide",)


def check_sources(config: dict, plan: Plan) -> None:
    """The files that runs need are there, and no text goes to a model without a tokenizer."""
    for number, run, _ in plan:
        model, workload = config["models"][run.model], config["workloads"][run.workload]
        if model["source"] == "path" and not Path(model["path"]).is_dir():
            raise Invalid(f"models.{run.model}.path", f"no folder {quote(model['path'])}; give one that exists")
        if workload["kind"] == "user":
            check_file(f"workloads.{run.workload}.file", workload["file"])
        if model["source"] == "shape" and workload["kind"] in TEXT_KINDS:
            mend = "use a workload without text, such as mixed, or a model with a tokenizer"
            raise Invalid(f"runs[{number}].workloads", f"{run.workload} is text and {run.model} is a shape; {mend}")


def check_file(at: str, path: str) -> None:
    """A user's file is there, and no part of its name a wildcard of Snakemake's, which knows no way to escape one."""
    if not Path(path).is_file():
        raise Invalid(at, f"no file {quote(path)}; give one that exists")
    if found := WILDCARD.search(path):
        raise Invalid(at, f"Snakemake takes {found[0]} in {quote(path)} for a wildcard; rename it without the braces")
