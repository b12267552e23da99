"""Replay one scenario under each of its policies; write totals, time series and, if configured, every step."""

from kvbench.adapter import job
from kvbench.files import write_json, write_parquet
from kvbench.replay.requests import trace_of
from kvbench.replay.scenario import notes, outcomes, record, series_table, steps_table


def main(snakemake):
    with job(snakemake) as running:
        name, out = snakemake.wildcards.scenario, snakemake.output
        scenario, seed = snakemake.params.scenario, snakemake.params.seed
        trace = trace_of(scenario, seed, f"replays.{name}")
        for line in notes(scenario, trace):
            running.tell(line)
        with running.progress(len(trace) * len(scenario["policies"]), "requests") as bar:
            ran = list(outcomes(scenario, trace, bar.update))
        write_parquet(out.series, series_table(ran))
        write_parquet(out.steps, steps_table(ran))
        write_json(out.record, record(name, scenario, seed, trace, ran))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
