"""Draw each engine's output tokens per second."""

from kvbench.adapter import job
from kvbench.figures import throughput
from kvbench.figures.data import rows_of, speeds
from kvbench.figures.style import save
from kvbench.results import load_runs


def main(snakemake):
    with job(snakemake):
        names = snakemake.wildcards
        table = rows_of(snakemake.input.table, names.model, names.workload)
        found = speeds(load_runs(snakemake.input.runs), table)
        save(throughput.draw(found, snakemake.params.options), snakemake.output, snakemake.params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
