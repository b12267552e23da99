"""Collect the predicted latencies of all models and workloads in one table."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.files import write_csv
from kvbench.replay.prediction_table import together


def main(snakemake):
    with job(snakemake):
        write_csv(snakemake.output.table, together(snakemake.input.predicted))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
