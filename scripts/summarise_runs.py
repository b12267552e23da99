"""Summarise all runs in results/tables: throughput, latency, memory, KV waste, ratios, attribution and others."""

from kvbench import quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.files import read_json, write_csv
from kvbench.results import load_runs
from kvbench.tables import of_runs


def main(snakemake):
    with job(snakemake):
        runs, bandwidth = load_runs(snakemake.input.runs), read_json(snakemake.input.bandwidth)
        for name, table in of_runs.tables(runs, bandwidth, snakemake.params.seed).items():
            write_csv(getattr(snakemake.output, name), table)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
