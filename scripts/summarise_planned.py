"""Write results/tables/planned.csv: blocks, tokens and concurrency, planned and as vLLM logs them at its start."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.results import load_runs
from kvbench.capacity.planned import table
from kvbench.files import write_csv


def main(snakemake):
    with job(snakemake):
        write_csv(snakemake.output.table, table(load_runs(snakemake.input.runs)))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
