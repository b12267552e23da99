"""Run a configured benchmark of benchmarks/*.py: a runner against its peer, or recording against none."""

from kvbench.adapter import job
from kvbench.benchmarks.programs import run_benchmark


def main(snakemake):
    with job(snakemake):
        given = snakemake.input
        files = {"environment": given.environment, "model": given.model, "workload": given.workload}
        run_benchmark(snakemake.params.settings, files, snakemake.output.result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
