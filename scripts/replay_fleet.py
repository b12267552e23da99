"""Replay one scenario on several numbers of replicas; write what each came to, and the fewest within the limits."""

from kvbench.adapter import job
from kvbench.capacity.fleet import record
from kvbench.files import write_json
from kvbench.replay.requests import trace_of


def main(snakemake):
    with job(snakemake):
        name, params = snakemake.wildcards.scenario, snakemake.params
        trace = trace_of(params.scenario, params.seed, f"replays.{name}")
        write_json(snakemake.output.record, record(name, params.scenario, params.seed, params.slo, trace))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
