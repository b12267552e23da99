"""Draw the latency of requests by engine."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.analysis.results import load_runs
from kvbench.figures import latency
from kvbench.figures.data import latencies
from kvbench.figures.job import plot


def draw(snakemake):
    found = latencies(load_runs(snakemake.input.runs), list(latency.TITLES))
    return latency.draw(found, snakemake.params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821
