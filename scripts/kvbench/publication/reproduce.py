"""Whether a repeated run gives a claim its published verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kvbench.analysis.claims import Claims
from kvbench.publication.claims import judging
from kvbench.publication.runs import Run
from kvbench.report.across.folders import load
from kvbench.report.across.verdicts import verdict_of, verdicts
from kvbench.report.cells import NONE

PUBLISHED, HERE = "published", "here"


@dataclass(frozen=True)
class Outcome:
    """A claim on one model, workload and set of requests: the published verdict and that of the repetition."""

    what: str
    published: str
    here: str

    @property
    def same(self) -> bool:
        return verdict_of(self.published) == verdict_of(self.here)

    def __str__(self) -> str:
        told = "the same verdict" if self.same else "another verdict"
        return f"{self.what}: {PUBLISHED} {self.published}; {HERE} {self.here}: {told}"


def outcomes(run: Run, folder: Path, claim: str) -> list[Outcome]:
    """The outcomes of a claim for each workload of the published run; a row that `folder` lacks is another verdict.

    UserError if `folder` has no tables.
    """
    table = verdicts([replace(run.published, name=PUBLISHED), replace(load(folder), name=HERE)])
    rows = table[(table["id"] == claim) & (table[PUBLISHED] != NONE)].to_dict("records")
    return [Outcome(f"{row['model']}, {row['workload']}", row[PUBLISHED], row[HERE]) for row in rows]


def listed(runs: Mapping[str, Run], claims: Claims) -> Iterator[str]:
    """A line for each claim: its id, and the run that repeats it with its minutes."""
    width = max(len(claim["id"]) for claim in claims.claims)
    for claim in claims.claims:
        found = judging(runs, claim["id"])
        told = f"{found[0].name}, {found[0].minutes} min: {found[0].command}" if found else "no published value"
        yield f"{claim['id']:{width}}  {told}"
