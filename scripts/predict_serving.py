"""Predict latencies at rates of arrival, and capacities at the SLO over patterns of arrivals, from live runs' steps."""

from kvbench.adapter import job
from kvbench.analysis.results import load_runs
from kvbench.files import read_parquet, write_csv
from kvbench.replay import predicted_capacity, predicted_capacity_table, prediction, prediction_table


def main(snakemake):
    slo = snakemake.params.slo
    with job(snakemake) as task:
        engines = prediction.served(load_runs(snakemake.input.runs))
        workload, plan = read_parquet(snakemake.input.workload), prediction.plan(engines)
        with task.progress(len(plan), "rates") as bar:
            limits = (slo["ttft_s"], slo["tpot_s"])
            table = prediction_table.table(plan, workload, limits, bar.update)
        servers = predicted_capacity.servers(engines, workload)
        with task.progress(len(servers) * predicted_capacity.PATTERNS, "patterns of arrivals") as bar:
            found = [predicted_capacity.predict(one, slo, bar.update) for one in servers]
        write_csv(snakemake.output.table, table)
        write_csv(snakemake.output.capacity, predicted_capacity_table.table(found, slo, snakemake.params.seed))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
