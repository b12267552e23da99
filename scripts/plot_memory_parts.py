"""Draw each engine's memory by part."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.figures import memory_parts
from kvbench.figures.data import rows_of
from kvbench.figures.job import plot


def draw(snakemake):
    names = snakemake.wildcards
    table = rows_of(snakemake.input.table, names.model, names.workload)
    return memory_parts.draw(table, snakemake.params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821
