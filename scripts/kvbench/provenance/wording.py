"""The lines about files that are not what their rules wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from kvbench.provenance.states import State

READS_ONLY = "KVBENCH_READS_ONLY"  # set by `make report`, which cannot make what engines write
NAMED = 3  # files that a line names


@dataclass(frozen=True)
class Damage:
    """A file, the rule that wrote it and what it wrote."""

    path: str
    rule: str
    state: State

    def line(self) -> str:
        """The file, its rule, the difference and the mend."""
        return f"{self.path} is not what {self.rule} wrote ({self.state.difference(self.path)}); {_mend('it')}"


def told(damaged: Sequence[Damage]) -> str:
    """One line about one or more files, a few of which are named."""
    if len(damaged) == 1:
        return damaged[0].line()
    names = ", ".join(f"{one.path} ({one.state.difference(one.path)})" for one in damaged[:NAMED])
    more = f" and {len(damaged) - NAMED} more, which make verify names" if len(damaged) > NAMED else ""
    return f"{len(damaged)} files are not what their rules wrote: {names}{more}; {_mend('them')}"


def _mend(them: str) -> str:
    if READS_ONLY in os.environ:
        return f"copy {them} again from where the run was done, or delete {them} if no engine wrote {them}"
    return f"delete {them} and run the same command again"
