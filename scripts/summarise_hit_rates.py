"""Collect the hit rates of all scenarios in one table."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.files import write_csv
from kvbench.replay.hit_rate_table import together


def main(snakemake):
    with job(snakemake):
        write_csv(snakemake.output.table, together(snakemake.input.found))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
