"""Draw decoding steps against the least time that memory allows."""

from kvbench.adapter import job
from kvbench.figures import roofline
from kvbench.figures.data import rows_of
from kvbench.figures.style import save


def main(snakemake):
    with job(snakemake):
        names = snakemake.wildcards
        table = rows_of(snakemake.input.table, names.model, names.workload)
        save(roofline.draw(table, snakemake.params.options), snakemake.output, snakemake.params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
