"""Which runs draw a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from kvbench.config.figure_files import capacity_files, kernel_figures, replay_files, run_figures
from kvbench.config.runs import run_list
from kvbench.figures.registry import FIGURES
from kvbench.publication.runs import Run

# How far a repetition may be from the published figure, by category of the registry.
TOLERANCES = {
    "Workload": "the same numbers: requests are seeded",
    "Replay": "the same numbers: no engine and no clock is involved",
    "Capacity": "the same numbers: arithmetic",
    "Parity": "the gate's verdict; shares with the same versions on the same kind of device",
    "Memory": "counts of slots, with the same versions on a CPU; bytes of processes and times are the machine's own",
    "Speed": "times are the machine's own; the claims' verdicts are of their ratios",
}


def asked(run: Run) -> set[str]:
    """Names of the figures that the run's configuration asks for."""
    runs = run_list(run.config)
    files = [*run_figures(runs, ["png"]), *kernel_figures(run.config, runs, ["png"])]
    files += [*capacity_files(run.config, ["png"]), *replay_files(run.config, ["png"])]
    return {PurePath(file).stem for file in files if file.endswith(".png")}


def published(run: Run) -> set[str]:
    """Names of the figures in the run's gallery."""
    return {path.stem for path in run.published.path.rglob("*.png")} if run.published else set()


def drawing(runs: Mapping[str, Run]) -> dict[str, list[Run]]:
    """The runs that draw each figure: first those that have published it, of these the easiest to repeat first."""
    sets = {name: (asked(run), published(run)) for name, run in runs.items()}
    return {
        entry.name: sorted(
            (run for run in runs.values() if entry.name in sets[run.name][0]),
            key=lambda run: (entry.name not in sets[run.name][1], run.order),
        )
        for entry in FIGURES
    }
