"""Summarise the runs whose requests arrive over time: rate and latency, and the largest rate within the limits."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import of_serving
from kvbench.files import write_csv


def main(snakemake):
    with job(snakemake):
        files, params = list(snakemake.input.runs), snakemake.params
        runs = load_runs(files) if files else []
        for name, table in of_serving.tables(runs, params.slo, params.seed).items():
            write_csv(getattr(snakemake.output, name), table)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
