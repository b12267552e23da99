"""Write results/tables/prefix_hits.csv: what runs with prefix sharing found of their prompts, and why not more."""

from pathlib import Path

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables.prefix_hits import table
from kvbench.files import write_csv


def main(snakemake):
    with job(snakemake):
        files = list(snakemake.input.runs)
        workloads = {(path.parent.name, path.stem): path for path in map(Path, snakemake.input.workloads)}
        write_csv(snakemake.output.table, table(load_runs(files) if files else [], workloads))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
