"""Predict latencies at rates of arrival from step times fitted to live runs, and set them beside what was measured."""

from kvbench.adapter import job
from kvbench.analysis.results import load_runs
from kvbench.files import read_parquet, write_csv
from kvbench.replay import prediction, prediction_table


def main(snakemake):
    slo = snakemake.params.slo
    with job(snakemake) as task:
        plan = prediction.plan(load_runs(snakemake.input.runs))
        with task.progress(len(plan), "rates") as bar:
            limits = (slo["ttft_s"], slo["tpot_s"])
            table = prediction_table.table(plan, read_parquet(snakemake.input.workload), limits, bar.update)
        write_csv(snakemake.output.table, table)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
