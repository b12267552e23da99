"""Writes docs/reproduce.md: each claim and figure with its command, minutes, disk and tolerance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kvbench.analysis.claims import Claims
from kvbench.figures.registry import FIGURES, Entry
from kvbench.publication.claims import judging, rows_of, shown, tolerance, why_not
from kvbench.publication.figures import TOLERANCES, drawing, published
from kvbench.publication.runs import Run
from kvbench.report.across.verdicts import judged
from kvbench.report.cells import NONE

Sizes = Mapping[str, tuple[float, float]]

TOP = """# Reproduce a result

Written by `make docs` from [config/claims.yaml](../config/claims.yaml), the registry of figures, the overlays and the
[gallery](gallery/README.md); a test fails where this page is older.

    make reproduce CLAIM=list              # the claims, and the run that repeats each
    make reproduce CLAIM=guide-less-waste  # repeats that run, and says whether the verdict is the published one

`make reproduce` runs in `reproduce/RUN` (`DIR=folder` chooses another), so `results/` stays as it is, and several
claims of one run need it once. It fails if the verdict differs for a workload of the published run (`Error 1` in make's
last line) and if the run failed (`Error 2`). `RUN=name` takes another of the runs that judge the claim, `ARGS` goes to
Snakemake. `make compare DIRS="reproduce/RUN docs/gallery/RUN"` shows all metrics of both machines
([side by side](gallery/README.md#side-by-side)).

**Minutes** are the sum of all jobs of the published run on its machine, without the set-up. **Disk** is the environment
([installation.md](installation.md)) and, at most, the weights of the models; results take less than 0.1 GB. On a
machine with a GPU, `make reproduce CLAIM=… FLAVOUR=cpu` repeats a run of a CPU on the CPU.

**Tolerance** of a claim: speeds differ between machines, but a verdict is of a whole 95% interval on one side of a
threshold that was set before any result. It is the same as long as the interval stays on its side. The nearer end of
the published interval says how far that is.
"""


def page(runs: Mapping[str, Run], claims: Claims, sizes: Sizes) -> str:
    """The page as Markdown; `sizes` are the flavours' GB of download and disk, from envs/bootstrap.py."""
    parts = [
        TOP,
        "## Runs\n",
        _table(("run", "command", "needs", "minutes", "disk"), (_run(run, sizes) for run in runs.values())),
        "## Claims\n",
        _table(
            ("claim", "run", "minutes", "disk", "published", "tolerance", "also judged by"),
            (_claim(claim, runs, sizes) for claim in claims.claims),
        ),
        "## Figures\n",
        "A run draws every figure for which it has data. Below stands the easiest run that has published the figure.\n",
        _table(
            ("figure", "shows", "run", "minutes", "disk", "tolerance"),
            (_figure(entry, found, sizes) for entry, found in zip(FIGURES, drawing(runs).values(), strict=True)),
        ),
    ]
    return "\n".join(parts)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _run(run: Run, sizes: Sizes) -> Iterator[str]:
    yield f"[{run.name}](gallery/{run.name})" if run.published else run.name
    yield f"`{run.command}`"
    yield run.needs or _machine(run)
    yield from _cost(run, sizes)


def _machine(run: Run) -> str:
    gpus = run.config["gpus"]
    needed = {"plan": "no engine", "cpu": "a CPU", "cuda": f"{gpus} GPU" + "s" * (gpus > 1)}[run.device]
    return f"{needed} (published: {run.published.device})" if run.device == "cuda" and run.published else needed


def _cost(run: Run, sizes: Sizes) -> tuple[str, str]:
    return NONE if run.minutes is None else str(run.minutes), f"{run.disk_gb(sizes):.1f} GB"


def _claim(claim: Mapping[str, Any], runs: Mapping[str, Run], sizes: Sizes) -> Iterator[str]:
    name = claim["id"]
    yield f"`{name}`: {claim['quotation'].rstrip('.')}"
    found = judging(runs, name)
    if not found:
        reason = claim.get("untestable") or why_not(runs, name)
        yield from (NONE, NONE, NONE, "no value" if "untestable" not in claim else "cannot be tested", reason, NONE)
        return
    first, *others = found
    yield first.name
    yield from _cost(first, sizes)
    rows = shown(rows_of(first, name))
    yield "<br>".join(f"{row['model']}, {row['workload']}: {judged(row)}" for row in rows)
    yield "<br>".join(dict.fromkeys(map(tolerance, rows)))
    yield ", ".join(run.name for run in others) or NONE


def _figure(entry: Entry, found: Sequence[Run], sizes: Sizes) -> Iterator[str]:
    yield f"`{entry.name}`"
    yield entry.shows.rstrip(".")
    if not found:
        yield from (f"none of these; {_asked_by(entry)}", NONE, NONE)
    else:
        run = found[0]
        yield _picture(run, entry.name) if entry.name in published(run) else f"{run.name} (not published)"
        yield from _cost(run, sizes)
    yield TOLERANCES[entry.category]


def _picture(run: Run, figure: str) -> str:
    """The run's name with a link to the first file of the figure in its gallery."""
    path = min(run.published.path.rglob(f"{figure}.png"))
    place = path.relative_to(run.published.path).as_posix()
    return f"[{run.name}](gallery/{run.name}/{place})"


def _asked_by(entry: Entry) -> str:
    if entry.key:
        return f"`{entry.key}` of a scenario of `replays` asks for it"
    return "no configuration here asks for it"
