"""Write results/tables/workloads.csv: lengths of every workload's prompts, outputs and their sums."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.tables.workloads import table
from kvbench.files import write_csv


def main(snakemake):
    with job(snakemake):
        write_csv(snakemake.output.table, table(snakemake.input.workloads))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
