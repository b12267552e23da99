"""Write results/report.html: one page with the machine, the settings, the tables and the figures."""

from pathlib import Path

from kvbench import quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.files import write_text
from kvbench.report import read_inputs, render


def main(snakemake):
    with job(snakemake):
        given = snakemake.input
        figures = [*given.figures, *given.replays]
        found = read_inputs(given.environment, given.config, given.tables, figures, given.runs)
        page = render(*found, has_capacity=snakemake.params.has_capacity)
        write_text(Path(snakemake.output[0]), page)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
