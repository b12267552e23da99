"""Draw the figure that the rule names."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.figures.job import plot

if __name__ == "__main__":
    plot(snakemake)  # noqa: F821
