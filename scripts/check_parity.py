"""Fail unless every engine returned the reference's tokens on the parity prompts; write a table of equal outputs."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.parity import table
from kvbench.analysis.results import load_runs
from kvbench.files import write_csv


def main(snakemake):
    with job(snakemake):
        write_csv(snakemake.output.table, table(load_runs(snakemake.input.runs)))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
