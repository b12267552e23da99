"""Run a configured benchmark of benchmarks/*.py: a runner or a run against its peer, or recording against none."""

from kvbench.adapter import job
from kvbench.benchmarks.programs import run_benchmark


def main(snakemake):
    with job(snakemake):
        run_benchmark(snakemake.params.settings, dict(snakemake.input.items()), snakemake.output.result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
