"""Collect what replays predict of requests that arrive over time, of all models and workloads, in a table each."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.files import write_csv
from kvbench.replay.prediction_table import together


def main(snakemake):
    with job(snakemake):
        write_csv(snakemake.output.table, together(snakemake.input.predicted))
        write_csv(snakemake.output.capacity, together(snakemake.input.capacity))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
