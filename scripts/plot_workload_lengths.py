"""Draw how long a workload's prompts and outputs are."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.figures import workload_lengths
from kvbench.figures.data import lengths
from kvbench.figures.job import plot


def draw(snakemake):
    return workload_lengths.draw(lengths(snakemake.input.workload), snakemake.params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821
