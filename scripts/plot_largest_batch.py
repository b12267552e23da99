"""Draw the largest batch that fits, by model and context length."""

from kvbench.adapter import job
from kvbench.capacity.contexts import curves, mean_share, read_conditions
from kvbench.capacity.shapes import read_shapes
from kvbench.figures import largest_batch
from kvbench.figures.style import save


def main(snakemake):
    with job(snakemake):
        path, params = snakemake.input.shapes, snakemake.params
        conditions = read_conditions(path)
        share = mean_share(conditions, params.seed)
        found = curves(read_shapes(path), conditions, share)
        save(largest_batch.draw(found, conditions, share, params.options), snakemake.output, params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
