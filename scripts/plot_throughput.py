"""Draw each engine's output tokens per second."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.analysis.results import load_runs
from kvbench.figures import throughput
from kvbench.figures.data import rows_of, speeds
from kvbench.figures.job import plot


def draw(snakemake):
    names = snakemake.wildcards
    table = rows_of(snakemake.input.table, names.model, names.workload)
    found = speeds(load_runs(snakemake.input.runs), table)
    return throughput.draw(found, snakemake.params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821
