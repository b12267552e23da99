"""Draw the latency of requests by engine."""

from kvbench.adapter import job
from kvbench.figures import latency
from kvbench.figures.data import latencies
from kvbench.figures.style import save
from kvbench.results import load_runs


def main(snakemake):
    with job(snakemake):
        found = latencies(load_runs(snakemake.input.runs), list(latency.TITLES))
        save(latency.draw(found, snakemake.params.options), snakemake.output, snakemake.params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
