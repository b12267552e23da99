"""Draw how many requests ran at once under each policy of a scenario."""

from kvbench.adapter import job
from kvbench.figures import batched_requests
from kvbench.figures.style import save
from kvbench.published import read_published
from kvbench.replay.table import rows_of


def main(snakemake):
    with job(snakemake):
        given, params = snakemake.input, snakemake.params
        published = read_published(given.published, batched_requests.PUBLISHED)
        rows = rows_of(given.table, snakemake.wildcards.scenario)
        save(batched_requests.draw(rows, published, params.options), snakemake.output, params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
