"""Draw the largest batch that fits, by model and context length."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.capacity.contexts import curves, mean_share, read_conditions
from kvbench.capacity.shapes import read_shapes
from kvbench.figures import largest_batch
from kvbench.figures.job import plot


def draw(snakemake):
    path, params = snakemake.input.shapes, snakemake.params
    conditions = read_conditions(path)
    share = mean_share(conditions, params.seed)
    found = curves(read_shapes(path), conditions, share)
    return largest_batch.draw(found, conditions, share, params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821
