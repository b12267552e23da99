"""Draw how long a workload's prompts and outputs are."""

from kvbench.adapter import job
from kvbench.figures import workload_lengths
from kvbench.figures.data import lengths
from kvbench.figures.style import save


def main(snakemake):
    with job(snakemake):
        figure = workload_lengths.draw(lengths(snakemake.input.workload), snakemake.params.options)
        save(figure, snakemake.output, snakemake.params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
