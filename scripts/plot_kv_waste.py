"""Draw what the allocated KV slots held."""

from kvbench.adapter import job
from kvbench.figures import kv_waste
from kvbench.figures.data import rows_of
from kvbench.figures.style import save


def main(snakemake):
    with job(snakemake):
        names = snakemake.wildcards
        table = rows_of(snakemake.input.table, names.model, names.workload)
        save(kv_waste.draw(table, snakemake.params.options), snakemake.output, snakemake.params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
