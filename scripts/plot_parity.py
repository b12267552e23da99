"""Draw how much of each engine's output equals the reference's."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.figures import parity
from kvbench.figures.data import rows_of
from kvbench.figures.job import plot


def draw(snakemake):
    names = snakemake.wildcards
    table = rows_of(snakemake.input.table, names.model, names.workload)
    return parity.draw(table, snakemake.params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821
