"""The verdicts on results as a short table by kind of file, and a line for each that is not ok."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kvbench.provenance.verdicts import OK, STATES, Verdict

KINDS = {
    "runs": "results/runs/",
    "workloads": "results/workloads/",
    "replays": ("results/replays/", "results/sweeps/", "results/serving/"),
    "tables": "results/tables/",
    "figures": "results/figures/",
    "block maps": "results/maps/",
    "pages": ("results/report.html", "results/capacity.html", "results/found.txt", "results/methods"),
}
OTHERS = "settings, machine"


def kind_of(path: str) -> str:
    """The kind of a file, a row of the table."""
    return next((kind for kind, begin in KINDS.items() if path.startswith(begin)), OTHERS)


def table(verdicts: Sequence[Verdict]) -> str:
    """Files by kind and state; states that no file has are left out."""
    counts = Counter((kind_of(one.path), one.state) for one in verdicts)
    states = [OK, *(state for state in STATES[1:] if any(one.state == state for one in verdicts))]
    kinds = [kind for kind in (*KINDS, OTHERS) if any(counts[kind, state] for state in states)]
    rows = [["files", *states], *([kind, *(str(counts[kind, state]) for state in states)] for kind in kinds)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)


def lines(verdicts: Sequence[Verdict]) -> list[str]:
    """A line for each rule and reason why files of it are not ok, with the first of them, by state."""
    found = []
    for state in STATES[1:]:
        reasons: dict[tuple[str, str], list[Verdict]] = {}
        for one in verdicts:
            if one.state == state:
                reasons.setdefault((one.rule, one.detail), []).append(one)
        found += [own[0].line(further=len(own) - 1) for own in reasons.values()]
    return found
