"""Summarise all runs as tables in results/tables: throughput, latency, memory, KV waste, ratios and more."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import of_runs
from kvbench.files import read_record, write_csv


def main(snakemake):
    with job(snakemake):
        runs, bandwidth = load_runs(snakemake.input.runs), read_record(snakemake.input.bandwidth)
        for name, table in of_runs.tables(runs, bandwidth, snakemake.params.seed).items():
            write_csv(getattr(snakemake.output, name), table)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
