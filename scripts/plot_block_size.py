"""Draw how full blocks are and how fast requests are served, by block size, with a replay beside."""

from kvbench.adapter import job
from kvbench.figures import block_size
from kvbench.figures.data import rows_of
from kvbench.figures.style import save
from kvbench.published import read_published
from kvbench.results import read_table


def main(snakemake):
    with job(snakemake):
        names, params = snakemake.wildcards, snakemake.params
        table = rows_of(snakemake.input.table, names.model, names.workload)
        table = table[table["sweep"] == "block_size"]
        quantity = block_size.PUBLISHED.get(params.kind)
        published = read_published(snakemake.input.published, quantity) if quantity else []
        drawn = block_size.draw(table, read_table(snakemake.input.replays), published, params.options)
        save(drawn, snakemake.output, params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
