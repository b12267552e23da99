"""Write results/report.html with machine, settings, tables and figures, and its first numbers, results/found.txt."""

from pathlib import Path

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.files import write_text
from kvbench.report.found import in_short
from kvbench.report.page import read_inputs, render


def main(snakemake):
    with job(snakemake):
        given = snakemake.input
        figures = [*given.figures, *given.replays, *given.kernel]
        found = read_inputs(given.environment, given.config, given.tables, figures, given.runs)
        has_capacity = snakemake.params.has_capacity
        write_text(Path(snakemake.output.report), render(*found, has_capacity=has_capacity))
        write_text(
            Path(snakemake.output.found), in_short(found[2], found[4], snakemake.params.seed, has_capacity=has_capacity)
        )


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
