"""Draw how full blocks are and how fast requests are served, by block size, with a replay beside."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.analysis.published import read_published
from kvbench.analysis.results import read_table
from kvbench.figures import block_size
from kvbench.figures.data import rows_of
from kvbench.figures.job import plot


def draw(snakemake):
    names, params = snakemake.wildcards, snakemake.params
    table = rows_of(snakemake.input.table, names.model, names.workload)
    table = table[table["sweep"] == "block_size"]
    quantity = block_size.PUBLISHED.get(params.kind)
    published = read_published(snakemake.input.published, quantity) if quantity else []
    return block_size.draw(table, read_table(snakemake.input.replays), published, params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821
