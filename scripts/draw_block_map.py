"""Write the document of a block map, compressed with gzip."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.blockmap.document import make, write


def main(snakemake):
    with job(snakemake):
        given = snakemake.input
        names = (snakemake.wildcards.model, snakemake.wildcards.workload)
        write(snakemake.output.map, make(*names, given.runs, given.workload, given.model))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
