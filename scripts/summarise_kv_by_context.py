"""Write results/tables/kv_by_context.csv: bytes of KV of a request against its length, by group of layers."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.published import read_published
from kvbench.capacity.by_context import QUANTITY, read_by_context, table
from kvbench.capacity.shapes import read_shapes
from kvbench.files import write_csv


def main(snakemake):
    with job(snakemake):
        given = snakemake.input
        shapes = read_shapes(given.shapes)
        published = read_published(given.published, QUANTITY)
        write_csv(snakemake.output.table, table(shapes, read_by_context(given.shapes, shapes), published))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
