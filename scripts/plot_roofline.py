"""Draw decoding steps against the least time that memory allows."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.figures import roofline
from kvbench.figures.data import rows_of
from kvbench.figures.job import plot


def draw(snakemake):
    names = snakemake.wildcards
    table = rows_of(snakemake.input.table, names.model, names.workload)
    return roofline.draw(table, snakemake.params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821
