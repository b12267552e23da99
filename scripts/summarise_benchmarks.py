"""Write results/tables/benchmarks.csv: a row a benchmark of the instrument."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.benchmarks.table import table
from kvbench.files import write_csv


def main(snakemake):
    with job(snakemake):
        write_csv(snakemake.output.table, table(snakemake.params.benchmarks, snakemake.input.results))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
