"""Write results/tables/benchmarks.csv: one row per benchmark of kvbench itself."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.benchmarks.table import table
from kvbench.files import write_csv


def main(snakemake):
    with job(snakemake):
        write_csv(snakemake.output.table, table(snakemake.params.benchmarks, snakemake.input.results))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
