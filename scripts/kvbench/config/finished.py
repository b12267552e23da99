"""The call of Snakemake that makes what follows from finished runs again, from the files in results/ alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kvbench.config import paths
from kvbench.config.partial import leave_out_missing
from kvbench.config.runs import parity_list, run_list
from kvbench.errors import UserError
from kvbench.files import read_record
from kvbench.yaml_files import read_yaml

TARGET = "results"  # the rule that requests all that is made from runs


def arguments(folder: Path, rules: Sequence[str], *, partial: bool = False) -> list[str]:
    """Arguments of Snakemake that let only `rules` run in a folder; UserError if its `results/` are not complete.

    `partial`: runs may be missing, but not all of them. The configuration and the device are those of the runs. What is
    older than its inputs is made again, and what other code made: the latter only where Snakemake's records are there,
    which results that were copied lack.
    """
    for name in (paths.CONFIG, paths.ENVIRONMENT):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder / name}: not found; name the folder of a finished run: make report ARGS='--directory FOLDER'"
            )
    config = read_yaml(folder / paths.CONFIG)
    if partial:
        left_out = leave_out_missing(config, lambda name: (folder / name).is_file())
        if left_out and not config["runs"]:
            raise UserError(f"{folder / 'results/runs'}: none of the runs is complete; see logs/, and go on with them")
    missing = [name for name in needed(config) if not (folder / name).is_file() and not (partial and _is_map(name))]
    if missing:
        more = f" ({len(missing) - 1} more are missing)" if missing[1:] else ""
        raise UserError(
            f"{folder / missing[0]}: not found{more}; complete the run with `make run`, or copy all of results/; "
            "`make report ARGS=--partial` leaves out what is missing"
        )
    device = read_record(folder / paths.ENVIRONMENT, "device")["device"]
    chosen = ["--config", f"device={device}"] if device else []
    given = ["--directory", str(folder), "--replace-workflow-config", "--configfile", str(folder / paths.CONFIG)]
    return [*given, *chosen, "--rerun-triggers", "mtime", "params", "--allowed-rules", TARGET, *rules, "--", TARGET]


def _is_map(name: str) -> bool:
    """Whether a file is a block map, which a page may lack."""
    return name.startswith("results/maps/")


def needed(config: Mapping[str, Any]) -> Sequence[str]:
    """What engines wrote: the files of runs, their workloads and maps, and what was measured beside them."""
    measured = run_list(config)
    runs = measured + parity_list(config)
    beside = [paths.BANDWIDTH, *paths.maps(config, measured), *paths.benchmark_files(config)] if runs else []
    beside += paths.PAGING_PRICE if paths.prices_paging(config, runs) else []
    return [*paths.record_files(runs), *paths.data_files(runs), *paths.workloads_of(runs), *beside]
