"""Find the share of prompt tokens that a prefix cache finds again in pools of all sizes, for one scenario."""

from kvbench.adapter import job
from kvbench.files import write_csv
from kvbench.replay.hit_rate_table import hit_rates
from kvbench.replay.requests import trace_of


def main(snakemake):
    with job(snakemake):
        name, scenario = snakemake.wildcards.scenario, snakemake.params.scenario
        trace = trace_of(scenario, snakemake.params.seed, f"replays.{name}")
        write_csv(snakemake.output.table, hit_rates(name, scenario, trace))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
