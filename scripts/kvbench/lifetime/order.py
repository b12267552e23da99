"""What the keeper of a job has to know before the job begins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

KEPT = "finished runs are kept, run the same command again to go on"


@dataclass(frozen=True)
class Order:
    """A job's label on the `terminal`, its rule, log and outputs, its Snakemake's process, and limits as in `Told`."""

    label: str
    rule: str
    log: str
    caller: int
    terminal: TextIO
    given_s: float
    limit_s: float
    outputs: tuple[str, ...] = ()

    def say(self, line: str) -> None:
        """Print a line on the terminal after the job's label."""
        print(f"{self.label}: {line}", file=self.terminal, flush=True)

    def too_long(self, limit_s: float, phase: str) -> str:
        """The line for a job that has reached its limit."""
        more = f"set timeout_s: {{{self.rule}: seconds}} in config.yaml if it needs longer"
        return f"ended in phase {phase}, since it took longer than {limit_s:.0f} s; see {self.log}; {more}"

    def stands_still(self, still_s: float, phase: str) -> str:
        """The line for a job whose engine has done nothing for so long while it starts."""
        why = f"since its engine did nothing for {still_s:.0f} s of its start"
        return f"ended in phase {phase}, {why}; see {self.log}; {KEPT}"

    def lost(self, name: str, pid: int, phase: str) -> str:
        """The line for a job one of whose processes has ended."""
        return f"{name} (pid {pid}) ended in phase {phase} before its work was done; see {self.log}; {KEPT}"

    def remove_partial(self, pid: int) -> None:
        """Remove what a killed job was about to write (files.replacing); Snakemake removes the outputs themselves."""
        for folder in {Path(output).parent for output in self.outputs}:
            for partial in folder.glob(f".*.{pid}.tmp"):
                partial.unlink(missing_ok=True)

    def killed(self, number: int, name: str, phase: str) -> str:
        """The line for a job whose process ended by a signal."""
        memory = "; the system kills what takes the last memory" if name == "SIGKILL" else ""
        return f"killed by signal {number} ({name}) in phase {phase}{memory}; see {self.log}; {KEPT}"
