"""Write the document of a block map, compressed with gzip."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.blockmap.job import draw

if __name__ == "__main__":
    draw(snakemake)  # noqa: F821
